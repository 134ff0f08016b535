"""What builds and checks a checkout; nothing here is part of the installed package."""
