"""HDF5, as far as NetCDF 4 uses it: what a file holds, and where in it each chunk lies. Cells are read elsewhere."""
