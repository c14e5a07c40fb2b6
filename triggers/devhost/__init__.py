"""A Functions host for development: the same function_app.py on Microsoft's own worker library, without Core Tools."""
