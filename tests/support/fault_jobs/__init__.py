"""Jobs that tests give to worker processes, some of them on purpose badly behaved."""
