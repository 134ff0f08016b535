"""Upkeep of a library: the commands that run beside the server, by hand or at night.

* `garbage` gives space back (`collector`).  It goes through the tree in steps: aliases whose time is over
  lose their content, aliases without references go, contents without aliases go, and at last the bytes that
  no content names.  Each thing is marked in one run and removed in a later one, or a week or a day later,
  so that an upload or a holder that comes meanwhile is seen.  `garbage.sweeping` has the last step and the
  limit of how much one sweep may remove.
* `scrubbing` reads all stored bytes again, some every night, quarantines those that no longer have their
  digest and takes sound ones from another copy.
* `checking`, or fsck, compares the tree with the byte store and with its own indexes; `tree_checking` reads
  every object of the tree.
* `usage` adds up what a library holds.
* `verifying` hashes bytes while they are served.

A backup copies the tree first and then the bytes that it names, so no sweep may remove bytes meanwhile.
Either holds a lease in the tree (`model`), which all machines share, and which ends by itself when its
holder died; the other is refused with UpkeepBusy.  The same object keeps where a scrub stopped and when the
last of each ended, for the health page and for alerts.
"""

from datetime import datetime

from librarian.interfaces import LibrarianError


class UpkeepBusy(LibrarianError, RuntimeError):
    """A backup, or a sweep, cannot begin or go on because another one is at work."""

    def __init__(self, kind: str, since: datetime) -> None:
        super().__init__(f"a {kind} has been running since {since:%Y-%m-%d %H:%M} UTC")
        self.kind = kind
        self.since = since
