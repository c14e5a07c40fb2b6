-- A worker that dies between the two leaves a closed stage whose successor nobody builds.
-- worker
UPDATE fan_in.task SET status = 'done' WHERE idx = %(idx)s AND status <> 'done';
SELECT pg_advisory_xact_lock(1);
UPDATE fan_in.stage SET status = 'closed', closed_by = %(worker)s
WHERE status = 'open' AND NOT EXISTS (SELECT FROM fan_in.task WHERE status <> 'done');
COMMIT;
INSERT INTO fan_in.next_stage SELECT closed_by FROM fan_in.stage WHERE closed_by = %(worker)s;
COMMIT;
