-- Making and dropping a partition locks tables that every writer touches.
select pg_advisory_xact_lock(hashtextextended('coremachine.catalog', 0))
