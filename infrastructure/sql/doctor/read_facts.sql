select current_setting('server_version_num')::int / 10000,
       (select extversion from pg_catalog.pg_extension where extname = 'postgis'),
       clock_timestamp(),
       pg_database_size(current_database())
