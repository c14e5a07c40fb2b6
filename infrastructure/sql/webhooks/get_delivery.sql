select d.delivery, d.message, d.kind, d.status, d.told ->> 'job_id' as job_id, d.number, d.attempt, d.happened,
       case when d.status = 'waiting' then d.due_at end as due_at, d.ended_at, a.status_code, a.error
from app.deliveries d
left join lateral (
    select t.status_code, t.error from app.delivery_attempts t where t.delivery = d.delivery
    order by t.attempt desc limit 1) a on true
where d.webhook_id = %(webhook)s and d.delivery = %(delivery)s
