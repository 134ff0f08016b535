"""The process that holds the local lock of a spool, found without touching the lock."""

from pathlib import Path

LOCKS = Path("/proc/locks")  # proc_locks(5)


def holder(path: Path) -> int | None:
    """The process that has `path` locked with flock(2); None if none has, or none is to be seen.

    A lock taken for an instant, to see whether it is free, could make a run that begins just then
    believe that another is at work.  So the kernel's list is read instead.  It shows the processes of
    this machine, or of this container.  Raises OSError for a file that may not be read.
    """
    try:
        inode = path.stat().st_ino
        written = path.read_text("ascii", errors="replace").strip()
        lines = LOCKS.read_text().splitlines()
    except FileNotFoundError:
        return None
    # The number of the device is left out: on overlay file systems and btrfs it is not that of stat(2).
    for kind, process, place in (_fields(line) for line in lines if "->" not in line):
        if kind == "FLOCK" and process == written and place.rpartition(":")[2] == str(inode):
            return int(process)
    return None


def _fields(line: str) -> tuple[str, str, str]:
    """Kind, process and `device:inode` of a line such as `2: FLOCK ADVISORY WRITE 1453 fe:00:223 0 EOF`."""
    fields = line.split()
    return (fields[1], fields[4], fields[5]) if len(fields) > 5 else ("", "", "")
