-- Blocking on purpose, and held until commit: whoever counts who runs is alone with the count.
select pg_advisory_xact_lock(hashtextextended('coremachine.lane:' || %(lane)s, 0))
