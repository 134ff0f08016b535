"""The disks that a power cut may leave.

A cut lies between two operations.  What was made durable before it is there; of the rest, each may be
missing.
Three models say what makes durable, and what may be missing:

    killed    everything is there: the process died, the machine did not
    ordered   a file system with one journal: names and sizes are there up to some moment, not before the
              last sync of anything; bytes that were not synced may be missing in any way
    posix     fsync(2) to the letter: bytes last with an fsync of their file, a name with one of its
              directory, the directory's name with one of the directory above it; all else may be missing
    lasting   posix, but the fsync of a file or directory makes its own new name last, as ext4, XFS and
              btrfs do

Missing bytes are not written at all, are zeros, or are torn: some of their sectors of 512 bytes are there.
A rename is one step, which the sync of either directory makes durable: both of its names change or none.
sync_file_range makes nothing durable.

Not modelled: a disk that confirms what it has not written, one that changes what it does not write, and
sectors that are torn within.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from tests.crash.operations import Change, Data, Disk, Names, Operation, Said, Size, Sync
from tests.crash.recording import Recording

Model = Literal["killed", "ordered", "posix", "lasting"]
MODELS: tuple[Model, ...] = ("killed", "ordered", "posix", "lasting")

SECTOR = 512  # bytes
NEVER = 1 << 60  # the moment of a sync that does not come

Believes = Callable[[Sync], bool]


def every_sync(sync: Sync) -> bool:
    """Each sync does what it is for."""
    return True


@dataclass(frozen=True)
class State:
    """One disk: at the cut behind the first `cut` operations, without `lost`; `torn` are there in part."""

    model: Model
    cut: int
    lost: frozenset[int]  # indices of operations
    torn: frozenset[int] = frozenset()
    zeros: bool = False  # lost bytes left zeros in a file as long as with them
    seed: int = 0  # of what torn bytes are there


class States:
    """The states of one recording in one model, where only those syncs count that `believes` says."""

    def __init__(self, recording: Recording, model: Model, believes: Believes = every_sync) -> None:
        self.recording = recording
        self.model = model
        self.operations = recording.operations
        self._syncs = {
            index: operation.inode
            for index, operation in enumerate(self.operations)
            if isinstance(operation, Sync) and believes(operation)
        }
        self._durable = list(self._moments())

    def _moments(self) -> Iterator[int]:
        """For each operation the index of the sync that makes it durable."""
        syncs = self._syncs.items()
        for index, operation in enumerate(self.operations):
            by = self._made_durable_by(operation)
            yield next((at for at, inode in syncs if at > index and (inode is None or inode in by)), NEVER)

    def _made_durable_by(self, operation: Operation) -> set[int]:
        """The inodes whose sync makes an operation durable."""
        match operation:
            case Data(inode) | Size(inode):
                return {inode}
            case Names():
                return operation.folders | (operation.named if self.model == "lasting" else set())
        return set()

    def _journal(self, cut: int) -> int:
        """The index before which a journal has all names and sizes at a cut: that of the last sync."""
        return max((at for at in self._syncs if at < cut), default=0)

    def unsynced(self, cut: int) -> list[int]:
        """The operations before a cut that nothing has made durable."""
        return [
            index
            for index in range(cut)
            if self._durable[index] >= cut and isinstance(self.operations[index], (Data, Size, Names))
        ]

    def cuts(self) -> list[int]:
        """The cuts worth a look: behind each change, and behind each word."""
        return [index + 1 for index, found in enumerate(self.operations) if not isinstance(found, Sync)]

    def words(self) -> list[int]:
        """The cuts behind each word."""
        return [index + 1 for index, found in enumerate(self.operations) if isinstance(found, Said)]

    def plain(self, cut: int) -> Iterator[State]:
        """The states looked at first: nothing lost, all, all bytes, all names, each alone, all torn."""
        yield State(self.model, cut, frozenset())
        if self.model == "killed":
            return
        lost = self.unsynced(cut)
        if self.model == "ordered":
            lost = [index for index in lost if self._is_loose(index, cut)]
        data = frozenset(index for index in lost if isinstance(self.operations[index], Data))
        names = frozenset(lost) - data
        for these in (frozenset(lost), data, *self._alone(data), *self._prefixes_or_alone(names, data)):
            yield State(self.model, cut, these)
        yield State(self.model, cut, data, zeros=True)
        yield State(self.model, cut, data, torn=data, seed=cut)

    def _is_loose(self, index: int, cut: int) -> bool:
        """Whether a journal that was synced last before the cut can be without this operation."""
        return isinstance(self.operations[index], Data) or index >= self._journal(cut)

    def _alone(self, data: frozenset[int]) -> Iterator[frozenset[int]]:
        """What is missing of each file, alone."""
        of_file: dict[int, set[int]] = {}
        for index in data:
            operation = self.operations[index]
            assert isinstance(operation, Data)
            of_file.setdefault(operation.inode, set()).add(index)
        for inode in sorted(of_file):
            yield frozenset(of_file[inode])

    def _prefixes_or_alone(self, names: frozenset[int], data: frozenset[int]) -> Iterator[frozenset[int]]:
        for index in sorted(names):
            if self.model == "ordered":
                yield frozenset(later for later in names if later >= index)
            else:
                yield frozenset([index])
        if self.model != "ordered":
            yield names

    def chosen(self, cut: int, seed: int) -> State:
        """A state by chance: some of what may be missing is, and some is torn."""
        chance = random.Random(f"{self.model} {cut} {seed}")
        lost = [] if self.model == "killed" else self.unsynced(cut)
        if self.model == "ordered":
            loose = [index for index in lost if self._is_loose(index, cut)]
            until = chance.choice([cut, *loose])
            lost = [index for index in loose if isinstance(self.operations[index], Data) or index >= until]
            lost = [index for index in lost if index >= until or chance.random() < 0.5]
        else:
            share = chance.choice((0.1, 0.5, 0.9))
            lost = [index for index in lost if chance.random() < share]
        torn = {index for index in lost if isinstance(self.operations[index], Data) and chance.random() < 0.5}
        return State(self.model, cut, frozenset(lost), frozenset(torn), chance.random() < 0.5, seed)

    def disk(self, state: State) -> Disk:
        """The disk of a state."""
        disk = self.recording.before.copy()
        disk.add(self.recording.after)
        for index, operation in enumerate(self.operations[: state.cut]):
            if isinstance(operation, (Sync, Said)):
                continue
            if index not in state.lost:
                disk.apply(operation)
            elif index in state.torn:
                _tear(disk, operation, random.Random(f"{state.seed} {index}"))
            elif state.zeros and isinstance(operation, Data):
                _extend(disk, operation)
        return disk

    def said(self, cut: int) -> list[Said]:
        """What was said before a cut."""
        return [found for found in self.operations[:cut] if isinstance(found, Said)]


def _extend(disk: Disk, lost: Data) -> None:
    """Make a file as long as it would be with lost bytes."""
    end = lost.offset + len(lost.data)
    if end > len(disk.files[lost.inode]):
        disk.apply(Size(lost.inode, end))


def _tear(disk: Disk, torn: Change, chance: random.Random) -> None:
    """Write some of the sectors."""
    assert isinstance(torn, Data)
    start = torn.offset
    while start < torn.offset + len(torn.data):
        end = min((start // SECTOR + 1) * SECTOR, torn.offset + len(torn.data))
        if chance.random() < 0.5:
            disk.apply(Data(torn.inode, start, torn.data[start - torn.offset : end - torn.offset]))
        start = end
