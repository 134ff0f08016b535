"""Hostile requests to every endpoint of a running server, from one seed, and what judges the answers.

`make soak` sends 100,000; `bin/py -m tests.fuzz seed=S index=N` sends one again, and shows what is said.
"""
