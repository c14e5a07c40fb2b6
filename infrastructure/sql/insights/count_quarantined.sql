select count(*) from app.quarantine
