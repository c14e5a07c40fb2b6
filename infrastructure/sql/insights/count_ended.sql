-- now() and not clock_timestamp(), which would keep the index from being asked.
select floor(date_part('epoch', now() - finished_at) / 60)::integer as ago, status, count(*)
from app.runs
where finished_at > now() - make_interval(mins => %(minutes)s)
group by ago, status
