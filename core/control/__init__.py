"""What people do to jobs that exist."""
