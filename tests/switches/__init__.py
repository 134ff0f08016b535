"""Each lock, conflict check and permission is removed in turn, and the check that is named here fails.

For syncs, which a power cut shows, see `tests.crash.syncs`.
"""
