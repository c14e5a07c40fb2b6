"""What the machine tells those who watch it: figures, traces, and what tasks wrote to their logs."""
