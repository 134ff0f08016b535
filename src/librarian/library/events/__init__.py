"""What is announced about files and links."""
