"""Figures, beside those of others in the same run: bin/py -m benchmarks.<name>."""
