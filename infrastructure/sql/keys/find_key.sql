select digest, name, role, job_types,
       revoked_at is null and (expires_at is null or expires_at > clock_timestamp()),
       extract(epoch from expires_at - clock_timestamp())::float8,
       extract(epoch from clock_timestamp() - last_used_at)::float8
from app.keys where key_id = %(key)s
