"""When a run may start, and who lets it in."""
