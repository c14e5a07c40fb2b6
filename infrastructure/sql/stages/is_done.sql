-- The neighbourhood first: one page of the index nearly always answers.
select not (
    exists (
        select from app.tasks
        where run_id = %(run_id)s and stage = %(stage)s and idx / 128 = any(%(near)s)
          and status in ('queued', 'processing', 'waiting')
    )
    or exists (
        select from app.tasks
        where run_id = %(run_id)s and stage = %(stage)s and status in ('queued', 'processing', 'waiting')
    )
)
