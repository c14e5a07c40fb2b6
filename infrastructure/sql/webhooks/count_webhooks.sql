select count(*) from app.webhooks
