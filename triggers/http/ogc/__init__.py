"""Job types as processes of OGC API - Processes, so that QGIS and other clients can run them."""
