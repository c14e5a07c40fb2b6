"""Webhooks: rules, registration, and the couriers that deliver."""
