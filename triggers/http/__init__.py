import logging

# At import it warns of defaults that triggers/http/geo/stac.py replaces.
logging.getLogger("stac_fastapi.types.config").setLevel(logging.ERROR)
