"""What puts right what was lost, and removes what has been kept for long enough."""
