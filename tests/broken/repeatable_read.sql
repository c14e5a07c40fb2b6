-- The snapshot of the whole transaction is older than the lock, so the holder's commit stays unseen.
-- worker
BEGIN ISOLATION LEVEL REPEATABLE READ;
UPDATE fan_in.task SET status = 'done' WHERE idx = %(idx)s AND status <> 'done';
SELECT pg_advisory_xact_lock(1);
WITH closed AS (
    UPDATE fan_in.stage SET status = 'closed', closed_by = %(worker)s
    WHERE status = 'open' AND NOT EXISTS (SELECT FROM fan_in.task WHERE status <> 'done')
    RETURNING closed_by
)
INSERT INTO fan_in.next_stage SELECT closed_by FROM closed;
COMMIT;
