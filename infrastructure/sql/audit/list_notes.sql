select id, at, by, action, subject, data
from app.audit
where (%(before)s::bigint is null or id < %(before)s)
  and (%(actor)s::text is null
       or (split_part(by, ' ', 1) = split_part(%(actor)s, ' ', 1) and starts_with(by || ' ', %(actor)s || ' ')))
  and (%(action)s::text is null or action = %(action)s)
  and (%(from)s::timestamptz is null or at >= %(from)s)
  and (%(until)s::timestamptz is null or at < %(until)s)
order by id desc
limit %(limit)s
