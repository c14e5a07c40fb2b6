select webhook_id, url, failures, reason
from app.webhooks
where (state = 'active' and failures >= %(opens_after)s) or state = 'disabled'
order by created_at
limit 20
