select id, version, overrides, job_id, run, is_new, by, at
from app.template_uses
where name = %(name)s and (%(before)s::bigint is null or id < %(before)s)
order by id desc
limit %(limit)s
