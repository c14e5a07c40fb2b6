"""A package of jobs whose classes say when they are submitted."""
