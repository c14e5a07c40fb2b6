-- The statement's snapshot is older than its lock: it does not see what the holder committed.
-- worker
UPDATE fan_in.task SET status = 'done' WHERE idx = %(idx)s AND status <> 'done';
WITH turn AS MATERIALIZED (
    SELECT pg_advisory_xact_lock(1)
),
closed AS (
    UPDATE fan_in.stage SET status = 'closed', closed_by = %(worker)s FROM turn
    WHERE status = 'open' AND NOT EXISTS (SELECT FROM fan_in.task WHERE status <> 'done')
    RETURNING closed_by
)
INSERT INTO fan_in.next_stage SELECT closed_by FROM closed;
COMMIT;
