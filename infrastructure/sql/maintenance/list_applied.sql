select number, name, at from app.migrations order by number
