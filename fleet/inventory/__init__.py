"""Which sites there are, how to name some of them, and where their secrets lie."""
