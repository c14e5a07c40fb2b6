"""Grids: NetCDF files and Zarr stores as cubes, looked at, converted, referred to, described and asked."""
