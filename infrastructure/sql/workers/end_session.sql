delete from app.sessions where session = %(session)s
