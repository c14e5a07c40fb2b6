-- The next holder counts before this one's task is committed.
-- worker
UPDATE fan_in.task SET status = 'done' WHERE idx = %(idx)s AND status <> 'done';
SELECT pg_advisory_lock(1);
WITH closed AS (
    UPDATE fan_in.stage SET status = 'closed', closed_by = %(worker)s
    WHERE status = 'open' AND NOT EXISTS (SELECT FROM fan_in.task WHERE status <> 'done')
    RETURNING closed_by
)
INSERT INTO fan_in.next_stage SELECT closed_by FROM closed;
SELECT pg_advisory_unlock(1);
COMMIT;
