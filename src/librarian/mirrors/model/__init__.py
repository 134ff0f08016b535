"""The stored objects: distributions, releases, publications, mirrors and the records of their probes.

Persistent classes with state and simple rules.  They look nothing up: times come in as arguments, and what
needs countries, the clock or the library is in `librarian.mirrors.service`.
"""
