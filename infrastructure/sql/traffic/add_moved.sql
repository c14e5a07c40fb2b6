insert into app.traffic as t (hour, job_type, bytes_in, bytes_out)
select date_trunc('hour', now(), 'UTC'), m.job_type, m.read, m.written
from unnest(%(job_type)b::text[], %(read)b::bigint[], %(written)b::bigint[]) as m (job_type, read, written)
on conflict (hour, job_type) do update
set bytes_in = t.bytes_in + excluded.bytes_in, bytes_out = t.bytes_out + excluded.bytes_out
