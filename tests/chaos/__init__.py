"""A cluster under load, of which one part after the other is killed or cut off; what was lost is counted."""
