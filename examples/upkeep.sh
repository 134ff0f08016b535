#!/bin/sh
# What a library needs once a night, beside the running server.  Each step is done whatever became of those
# before it; at the end the exit status is 1 if any failed, with their names, so that nobody overlooks it.
#
# The unit librarian-upkeep.service runs it as /opt/librarian/bin/librarian-upkeep;
# LIBRARIAN_INI names the ini file.
LIBRARIAN=${LIBRARIAN:-/opt/librarian/bin/librarian}
BACKUP=${BACKUP:-/srv/backup/librarian}
ACCESS_LOG=${ACCESS_LOG:-/var/log/librarian/access.log}
failed=

step() {
    "$LIBRARIAN" "$@" || failed="$failed $1"
}

# The rotated one first, where there is one.
if [ -e "$ACCESS_LOG.1" ]; then
    step count-downloads "$ACCESS_LOG.1" "$ACCESS_LOG"
else
    step count-downloads "$ACCESS_LOG"
fi
step gc
step pack --days 7
step backup "$BACKUP"
# The whole store once a month; from a backup that there is not yet nothing can be repaired.
if [ -d "$BACKUP/bytes" ]; then
    step scrub --share 1/30 --rate 50MB --repair-from "$BACKUP/bytes"
else
    step scrub --share 1/30 --rate 50MB
fi

if [ -n "$failed" ]; then
    echo "librarian upkeep failed:$failed" >&2
    exit 1
fi
