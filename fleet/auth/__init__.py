"""How to obtain a token: flows that are generators of requests, without any I/O."""
