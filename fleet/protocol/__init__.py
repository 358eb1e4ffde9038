"""How ArcGIS Server speaks: requests, answers and their meaning, without any I/O."""
