"""Blobs on Azure Storage and on Azurite."""
