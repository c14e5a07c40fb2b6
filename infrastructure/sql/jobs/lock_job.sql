-- Held until commit: two submissions of one job follow each other.
select pg_advisory_xact_lock(hashtextextended('coremachine.job:' || %(job_id)s, 0))
