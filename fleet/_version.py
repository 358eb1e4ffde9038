"""The version of this package, as a constant so that `fleet --version` reads no metadata."""

__version__ = "0.1.0"
