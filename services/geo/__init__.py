"""Places as values: the grids that weather, terrain and fire share, cell by cell."""
