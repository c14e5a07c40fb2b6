-- Several reconcilers may run; one of them works at a time, the others have nothing to do.
select pg_try_advisory_xact_lock(hashtextextended('coremachine.repair', 0))
