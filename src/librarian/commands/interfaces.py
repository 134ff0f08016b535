"""The ``librarian`` command: what an operator, a script or a worker machine does from a shell.

`main` has the group and the table of its subcommands.  Each is imported when it is called, so that a worker
that fetches one file loads neither the tree nor the web framework.  There is a folder for each system:
`files`, `mirrors`, `people`, `spool`, `tracker`, `upkeep`; what several commands share is in `common`.

There are two kinds of command.  One kind works *inside* the library: `common.site.opened_site` configures
the components from an ini file (``-c``, or the variable LIBRARIAN_INI), opens the tree and acts as the
system; it needs the database and the byte store.  The other kind is a *client*: it talks to a running server
over HTTP (`librarian.remote`), with the credentials of `common.credentials`, and runs on any machine.

A command reads its arguments, calls the service of the package that does the work, and prints what that
returns: lines for people, JSON with ``--json``.  It decides nothing else.  Refusals are errors of the
packages, each a LibrarianError; `common.refusals` prints them as one line on standard error.  The exit
status is 0 for success, 1 for a refusal or for work that is left to do, 2 for a call that is wrong.  An
option that would have no effect beside the others is a wrong call too (`common.effects`).
"""

import click


class BadCall(click.ClickException):
    """The ini file or an option cannot be used: one line, and exit status 2."""

    exit_code = 2
