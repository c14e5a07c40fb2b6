"""Storage over HTTP: what lies there, how it comes in, how it goes out."""
