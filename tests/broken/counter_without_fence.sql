-- A redelivered message counts its task twice: the stage closes while another task is open.
-- worker
UPDATE fan_in.task SET status = 'done' WHERE idx = %(idx)s;
UPDATE fan_in.stage SET remaining = remaining - 1;
WITH closed AS (
    UPDATE fan_in.stage SET status = 'closed', closed_by = %(worker)s
    WHERE status = 'open' AND remaining <= 0
    RETURNING closed_by
)
INSERT INTO fan_in.next_stage SELECT closed_by FROM closed;
COMMIT;
