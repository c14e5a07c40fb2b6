"""Jobs for the crash run: patient enough to outlive it, each knowing what must come of it."""
