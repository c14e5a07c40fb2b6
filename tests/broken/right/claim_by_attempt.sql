-- A message names the attempt it was written for, so its duplicate finds nothing to claim.
-- worker
WITH claimed AS (
    UPDATE fan_in.task SET status = 'running', attempt = attempt + 1, worker = %(worker)s
    WHERE idx = %(idx)s AND status = 'queued' AND attempt = %(attempt)s
    RETURNING idx, attempt
)
INSERT INTO fan_in.execution SELECT idx, attempt FROM claimed;
COMMIT;
UPDATE fan_in.task SET status = 'done'
WHERE idx = %(idx)s AND status = 'running' AND attempt = %(attempt)s + 1 AND worker = %(worker)s;
COMMIT;
SELECT pg_advisory_xact_lock(1);
WITH closed AS (
    UPDATE fan_in.stage SET status = 'closed', closed_by = %(worker)s
    WHERE status = 'open' AND NOT EXISTS (SELECT FROM fan_in.task WHERE status <> 'done')
    RETURNING closed_by
)
INSERT INTO fan_in.next_stage SELECT closed_by FROM closed;
COMMIT;
-- sweeper
UPDATE fan_in.task SET status = 'queued', worker = NULL WHERE status = 'running';
COMMIT;
SELECT pg_advisory_xact_lock(1);
WITH closed AS (
    UPDATE fan_in.stage SET status = 'closed', closed_by = 'sweeper'
    WHERE status = 'open' AND NOT EXISTS (SELECT FROM fan_in.task WHERE status <> 'done')
    RETURNING closed_by
)
INSERT INTO fan_in.next_stage SELECT closed_by FROM closed;
COMMIT;
