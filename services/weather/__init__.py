"""Weather: forecasts of several models, taken message by message from where they are published."""
