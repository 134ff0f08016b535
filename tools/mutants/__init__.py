"""Do the tests notice?  One small change of a function at a time, and the tests of its package.

`bin/py -m tools.mutants store sample=40 seed=1` tries forty changes of `librarian.store`, and says
of each which test noticed it, or that none did.  `only=N` tries one of them again.
"""
