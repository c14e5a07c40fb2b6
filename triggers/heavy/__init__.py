"""Tasks of the heavy queue, each in a process that can be killed without harm to any other."""
