"""What jobs have made of the Earth, over HTTP: the catalog, cubes, weather and fires."""
