-- The bucket fills up at its rate, and holds no more than `count`. Whoever takes a token holds the lock of its lane.
insert into app.buckets as b (lane, tokens, at)
values (%(lane)s, %(count)s::float8 - 1, clock_timestamp())
on conflict (lane) do update
set tokens = least(%(count)s::float8,
                   b.tokens + extract(epoch from clock_timestamp() - b.at) * %(count)s::float8 / %(seconds)s::float8) - 1,
    at = clock_timestamp()
