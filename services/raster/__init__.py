"""Rasters: look at one, turn it into a Cloud Optimized GeoTIFF, describe it as a STAC item."""
