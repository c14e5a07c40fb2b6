"""The tile cache: forecasts of regions, fetched as they are published and kept as small arrays."""
