select role,
       count(*) filter (where seen > clock_timestamp() - make_interval(secs => %(dead_after)s)) as online,
       count(*) filter (where seen <= clock_timestamp() - make_interval(secs => %(dead_after)s)) as silent
from app.sessions
group by role
order by role
