with ended as (
    select job_type, date_part('epoch', finished_at - started_at) as took
    from app.runs
    where finished_at > now() - make_interval(secs => %(seconds)s)
    order by finished_at desc
    limit %(limit)s
)
select job_type, percentile_cont(array[0.5, 0.9, 0.99]) within group (order by took) as percentiles
from ended
where took is not null
group by job_type
