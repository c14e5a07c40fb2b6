select max(at) from app.events
