"""A self-hosted library of files for applications, and the services around it."""
