"""The prober: asks mirrors what they hold, politely, and believes nothing it has not seen.

This package knows no tree: it takes plans in and gives reports out (see `plan.py`).
"""
