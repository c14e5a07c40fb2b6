-- No rate is slower than a day's: a bucket that nobody touched for so long is full.
delete from app.buckets where at < clock_timestamp() - interval '1 day'
