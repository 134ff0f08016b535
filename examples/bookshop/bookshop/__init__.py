"""A bookshop: books in the tree, and their covers and excerpts as files of the library."""
