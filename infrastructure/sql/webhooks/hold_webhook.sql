select failures from app.webhooks where webhook_id = %(webhook)s for no key update
