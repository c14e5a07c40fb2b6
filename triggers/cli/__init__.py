"""The command `coremachine`. It speaks with a server through the Python client, like any other program."""
