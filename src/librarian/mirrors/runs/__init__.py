"""Probing runs over the registry: which mirrors are due, what each is asked, what its report changes.

`probing` knows no tree and asks the mirrors; this package stands between it and the registry.
"""
