"""Jobs over HTTP: submitted, followed and steered, and all that begins them or tells of them."""
