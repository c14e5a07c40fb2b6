"""The catalog of what was made: STAC items and collections."""
