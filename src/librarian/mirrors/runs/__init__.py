"""Probing runs over the registry: due mirrors, the plan of each, and the recording of its report.

`probing` knows no tree and asks the mirrors; this package stands between it and the registry.
"""
