"""One piece of work on many sites: exactly one outcome per selected site, streamed."""
