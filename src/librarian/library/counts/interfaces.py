"""Downloads counted from access logs, by file, day and country.

`librarian count-downloads LOG...` (or the periodic task of a server) reads each log once: `log_reading`
finds the place where the last run stopped, also when the log was rotated meanwhile, `log_lines` takes lines
apart, and `service` adds up what a batch of them says and commits it together with the new place.  So a run
that is cut off counts nothing twice and leaves nothing out.
"""


class MalformedLine(ValueError):
    """Not a line of an access log."""
