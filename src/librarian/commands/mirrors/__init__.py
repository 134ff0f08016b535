"""``librarian mirrors``: one module for each sort of command; `group` has them all."""
