"""Administer many ArcGIS Server sites at once."""
