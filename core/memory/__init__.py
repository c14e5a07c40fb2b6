"""Everything the machine needs of the world, in this process's memory: for tests, and for authors of jobs."""
