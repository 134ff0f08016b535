"""The prober: asks mirrors over HTTP and FTP which files they have, within limits on connections and time.

This package knows no tree: it takes plans in and gives reports out (see `plan.py`).
"""
