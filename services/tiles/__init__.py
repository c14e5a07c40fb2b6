"""Pictures of what the catalog holds: one raster, one raster in many files, or many rasters."""
