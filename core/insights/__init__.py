"""What people ask about jobs, tasks, queues and workers, and what they are shown."""
