"""Hours of mixed load on one server, with its upkeep, restarts and kills; then everything is compared."""
