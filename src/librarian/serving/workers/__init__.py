"""Worker processes: all cores of a machine for one server.

Python runs one thread at a time in a process, so one process answers on one core.  With ``workers = N`` in
``[server:main]`` (or ``--workers N``) the process that was started becomes the *parent*: it opens the tree,
shares it on its socket (`tree.engines.sharing`), does the periodic tasks, and answers no request.  It starts
N *workers*, spawned and not forked, because a process that was forked with a FileStorage open would
overwrite the commits of the other.  Each worker makes the application from the same ini file, opens the tree
as a guest of the parent (or of the same ZEO or PostgreSQL server) and serves all endpoints.

Sockets.  The parent binds one set of sockets for each worker, a *slot*, and keeps it open for good; a worker
listens there when it is ready to answer, and the kernel distributes new connections among the slots that
listen.  So nothing waits for a server that starts: a front end is refused, and asks another node.  A worker's
successor gets the same slot; until it is ready another worker accepts there too (COVER), so that no
connection is refused or waits.  Where no worker is left, the slots refuse connections until one listens.

A worker's life (`process`, `worker`).  The parent sends an `Order` on the new process's standard input and
passes it its sockets and one end of a socket pair.  The worker says READY there when it accepts connections.
The parent says STOP (finish what is running, and end), RETIRE (the same, but wait for clients in between
requests on a connection that is kept open), ABORT (end at once) or REOPEN (the access log).  The
end of that connection tells each of the death of the other: a worker without its parent accepts nothing
more, finishes what is running and ends, so that a new server can start at once.

The parent (`parent`) starts another worker when one has died, after a pause that doubles as long as they die
at once.  SIGHUP replaces the workers one by one: the successor is started first, and the predecessor is
stopped when it is ready; where a successor cannot start, the predecessor stays.  SIGTERM and SIGINT stop all
workers, a second one ends them at once.  SIGUSR1 opens the access logs anew.

What the workers share (`folder`): a folder of files in memory, for the counters behind ``/metrics``, for the
answers that are being sent to the bearers of links, and for failed log-ins where no setting names a file.
"""
