-- Two last workers each see the other's task still open, so nobody closes the stage.
-- worker
UPDATE fan_in.task SET status = 'done' WHERE idx = %(idx)s AND status <> 'done';
WITH closed AS (
    UPDATE fan_in.stage SET status = 'closed', closed_by = %(worker)s
    WHERE status = 'open' AND NOT EXISTS (SELECT FROM fan_in.task WHERE status <> 'done')
    RETURNING closed_by
)
INSERT INTO fan_in.next_stage SELECT closed_by FROM closed;
COMMIT;
