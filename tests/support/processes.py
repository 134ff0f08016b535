"""What the kernel tells of a running process, for tests of what a server takes."""

from pathlib import Path


def descriptors(pid: int) -> int:
    """How many it has open.  Raises OSError if it is no more."""
    return sum(1 for _each in Path(f"/proc/{pid}/fd").iterdir())


def memory_mib(pid: int) -> float:
    """What is resident.  Raises OSError if it is no more."""
    return _kib(Path(f"/proc/{pid}/status"), "VmRSS:") / 1024


def share_mib(pid: int) -> float:
    """What is resident, pages that it shares with others in equal parts.  Raises OSError if it is no more."""
    return _kib(Path(f"/proc/{pid}/smaps_rollup"), "Pss:") / 1024


def threads(pid: int) -> int:
    """How many it has.  Raises OSError if it is no more."""
    return _kib(Path(f"/proc/{pid}/status"), "Threads:")


def _kib(file: Path, name: str) -> int:
    for line in file.read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise ProcessLookupError(file)  # it is a zombie, which has no memory
