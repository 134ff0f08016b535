"""What would spoil a document: races, crashes, malformed input, browsers.  Mirrors src/librarian."""

from hypothesis import settings

# Generated input is the same in every run, so that a run that failed fails again; and no example fails for
# being slow on a busy machine.
settings.register_profile("suite", derandomize=True, deadline=None, database=None)
settings.load_profile("suite")
