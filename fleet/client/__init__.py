"""The only place that opens a socket to a site: transport, tokens, retry, breaker, and the client that composes them."""
