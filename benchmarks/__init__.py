"""What the numbers of the documentation come from."""
