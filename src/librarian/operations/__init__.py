"""Health and readiness checks, and metrics, for operators."""
