insert into app.delivery_attempts (delivery, attempt, status_code, milliseconds, error, answer)
values (%(delivery)s, %(attempt)s, %(status_code)s, %(milliseconds)s, %(error)s, %(answer)s)
