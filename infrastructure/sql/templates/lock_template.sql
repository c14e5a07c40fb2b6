-- Held until commit: two who save one template follow each other, and each gets a version of its own.
select pg_advisory_xact_lock(hashtextextended('coremachine.template:' || %(name)s, 0))
