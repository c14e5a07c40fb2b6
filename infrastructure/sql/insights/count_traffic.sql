select (floor(date_part('epoch', hour) / %(slice)s) * %(slice)s)::bigint as begin, job_type,
       sum(bytes_in)::bigint as bytes_in, sum(bytes_out)::bigint as bytes_out
from app.traffic
where hour > now() - make_interval(secs => %(seconds)s)
group by 1, 2
