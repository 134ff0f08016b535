"""A versioned name space of files that many machines share, and the client that caches it."""
