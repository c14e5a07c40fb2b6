-- Every closer looks after its own commit, on a snapshot taken under the lock; the sweeper looks for the dead.
-- worker
UPDATE fan_in.task SET status = 'done' WHERE idx = %(idx)s AND status <> 'done';
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
SELECT pg_advisory_xact_lock(1);
WITH closed AS (
    UPDATE fan_in.stage SET status = 'closed', closed_by = 'sweeper'
    WHERE status = 'open' AND NOT EXISTS (SELECT FROM fan_in.task WHERE status <> 'done')
    RETURNING closed_by
)
INSERT INTO fan_in.next_stage SELECT closed_by FROM closed;
COMMIT;
