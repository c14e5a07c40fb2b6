-- Only the delivery that finished the task counts it down.
-- worker
WITH done AS (
    UPDATE fan_in.task SET status = 'done' WHERE idx = %(idx)s AND status <> 'done' RETURNING idx
)
UPDATE fan_in.stage SET remaining = remaining - 1 FROM done;
WITH closed AS (
    UPDATE fan_in.stage SET status = 'closed', closed_by = %(worker)s
    WHERE status = 'open' AND remaining <= 0
    RETURNING closed_by
)
INSERT INTO fan_in.next_stage SELECT closed_by FROM closed;
COMMIT;
