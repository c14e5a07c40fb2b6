-- Its message counts as lost from now on, so the reconciler sends it.
update app.tasks set published_at = 'epoch'
where run_id = %(run_id)s and stage = %(stage)s and idx = %(idx)s and attempt = %(attempt)s and status = 'queued'
