select pg_advisory_xact_lock_shared(hashtextextended('coremachine.catalog', 0))
