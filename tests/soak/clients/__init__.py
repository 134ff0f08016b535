"""The clients of a run, one module for each kind."""
