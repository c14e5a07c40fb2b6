-- Blocking on purpose: whoever holds it until commit is alone with the switch of this stage.
select pg_advisory_xact_lock(hashtextextended('coremachine.stage:' || %(run_id)s || ':' || %(stage)s, 0))
