select key_id as id, name, role, job_types, created_by, created_at, expires_at, revoked_at, last_used_at
from app.keys where key_id = %(key)s
