"""Rasters that lie on the internet as tiles: windows of them, read in the pieces that they are stored in, and kept."""
