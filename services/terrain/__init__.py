"""Terrain: elevation, slope and aspect of any place, from the Copernicus DEM."""
