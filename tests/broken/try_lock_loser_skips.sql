-- The winner counted before the loser committed, and the loser does not count at all.
-- worker
UPDATE fan_in.task SET status = 'done' WHERE idx = %(idx)s AND status <> 'done';
SELECT set_config('fan_in.turn', pg_try_advisory_xact_lock(1)::text, true);
WITH closed AS (
    UPDATE fan_in.stage SET status = 'closed', closed_by = %(worker)s
    WHERE status = 'open' AND current_setting('fan_in.turn') = 'true'
        AND NOT EXISTS (SELECT FROM fan_in.task WHERE status <> 'done')
    RETURNING closed_by
)
INSERT INTO fan_in.next_stage SELECT closed_by FROM closed;
COMMIT;
