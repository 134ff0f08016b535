"""Quotas: how many files and bytes persons and teams may have."""
