"""The Administrator API as operations that are values, without any I/O."""
