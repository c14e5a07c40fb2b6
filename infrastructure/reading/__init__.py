"""What the pages and the API show, read from PostgreSQL."""
