-- Every target gets one before any gets a second. A target whose circuit is open gets one: the probe.
with room as (
    select w.webhook_id, w.doubtful,
           case when w.failures >= %(opens_after)s then 1 else %(per_target)s end - (
               select count(*) from app.deliveries d
               where d.webhook_id = w.webhook_id and d.status in ('waiting', 'sending')
                   and d.status = 'sending' and d.due_at > clock_timestamp()) as free
    from app.webhooks w
    where w.webhook_id = any(%(webhooks)s)
),
due as (
    select d.delivery, r.doubtful, d.place,
           row_number() over (partition by r.doubtful order by d.place, random()) as nth
    from room r
    cross join lateral (
        select o.delivery, row_number() over (order by o.due_at) as place
        from app.deliveries o
        where o.webhook_id = r.webhook_id and o.status in ('waiting', 'sending') and o.due_at <= clock_timestamp()
        order by o.due_at
        limit greatest(r.free, 0)) d
),
chosen as (
    select delivery, doubtful from due
    where not doubtful or nth <= %(doubtful)s
    order by place, random()
    limit %(limit)s
),
claimed as (
    update app.deliveries d
    set status = 'sending', attempt = d.attempt + 1, tries = d.tries + 1,
        due_at = clock_timestamp() + make_interval(secs => %(lease)s)
    from chosen c
    where d.delivery = c.delivery
    returning d.delivery, d.attempt, d.tries, d.webhook_id, d.message, d.kind, d.happened, d.told, c.doubtful
)
select c.delivery, c.attempt, c.tries, c.webhook_id, w.url, c.message, c.kind, c.happened, c.told, clock_timestamp(),
       array(select s.secret from app.webhook_secrets s
             where s.webhook_id = c.webhook_id and s.valid_until > clock_timestamp()
             order by s.created_at desc),
       c.doubtful
from claimed c
join app.webhooks w on w.webhook_id = c.webhook_id
