"""Service Bus as the queue, through the real SDK."""
