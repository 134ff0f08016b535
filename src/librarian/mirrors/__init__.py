"""A registry of a distribution's mirrors, and a prober that finds out what each holds."""
