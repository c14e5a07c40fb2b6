"""The installation over HTTP: how it does, who may do what in it, and what piles up in it."""
