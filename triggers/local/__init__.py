"""The whole system on one machine: private services under .local/, started and stopped together."""
