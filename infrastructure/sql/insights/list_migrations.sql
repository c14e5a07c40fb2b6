select number from app.migrations
