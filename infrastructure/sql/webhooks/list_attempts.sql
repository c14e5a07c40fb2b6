select attempt, at, status_code, milliseconds, error, answer
from app.delivery_attempts
where delivery = %(delivery)s
order by attempt
