"""One request to a mirror's server: HTTP and FTP, redirects, connection limits."""
