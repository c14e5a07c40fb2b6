-- Held until commit: ids of a run's lines are given in the order in which they become visible.
select pg_advisory_xact_lock(hashtextextended('coremachine.logs:' || r.run_id, 0))
from (select distinct unnest(%(runs)s::bigint[]) as run_id order by 1) r
