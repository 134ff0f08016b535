"""For tools that look for a setup.py (buildout's `develop` among them); the metadata is in pyproject.toml."""

from setuptools import setup

setup()
