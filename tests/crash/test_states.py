"""The models of a power cut, on a few operations made by hand."""

import unittest

from tests.crash.operations import ROOT, Data, Disk, Names, Operation, Said, Size, Sync
from tests.crash.recording import Recording
from tests.crash.states import MODELS, SECTOR, Model, State, States

FILE, FOLDER = 1, 2

# A file is written and synced under a first name, then renamed into a new folder, which is synced.
PUBLISHED: list[Operation] = [
    Names(((ROOT, "draft", FILE),)),
    Data(FILE, 0, b"A" * 2 * SECTOR),
    Sync(FILE, "draft"),
    Names(((ROOT, "folder", FOLDER),)),
    Names(((ROOT, "draft", None), (FOLDER, "final", FILE))),
    Sync(FOLDER, "folder"),
    Said({"holds": ["file", "final"], "value": 1}),
]


def recording(operations: list[Operation]) -> Recording:
    """On an empty disk."""
    after = Disk()
    after.files[FILE], after.folders[FOLDER] = bytearray(), {}
    for operation in operations:
        if not isinstance(operation, (Sync, Said)):
            after.apply(operation)
    return Recording(Disk(), operations, after)


def shown(disk: Disk) -> str:
    """Names, and how much of each file is there."""
    return " ".join(
        f"{path}:{bytes(disk.files[inode]).count(b'A')}/{len(disk.files[inode])}"
        if inode in disk.files
        else path
        for path, inode in disk.walk()
    )


def outcomes(operations: list[Operation], model: Model, cut: int) -> set[str]:
    """What a cut may leave."""
    states = States(recording(operations), model)
    found = [*states.plain(cut), *(states.chosen(cut, seed) for seed in range(400))]
    return {shown(states.disk(state)) for state in found}


class Models(unittest.TestCase):
    def test_a_killed_process_leaves_everything(self) -> None:
        self.assertEqual(outcomes(PUBLISHED, "killed", 2), {"draft:1024/1024"})
        self.assertEqual(outcomes(PUBLISHED, "killed", 5), {"folder folder/final:1024/1024"})

    def test_bytes_before_their_sync_are_there_absent_zeros_or_torn(self) -> None:
        self.assertEqual(
            outcomes(PUBLISHED, "lasting", 2),
            {"", "draft:0/0", "draft:0/1024", "draft:512/512", "draft:512/1024", "draft:1024/1024"},
        )

    def test_posix_may_lose_a_name_whose_folder_was_not_synced(self) -> None:
        self.assertEqual(outcomes(PUBLISHED, "posix", 3), {"", "draft:1024/1024"})
        self.assertEqual(outcomes(PUBLISHED, "lasting", 3), {"draft:1024/1024"})

    def test_posix_may_lose_a_folder_with_what_is_in_it(self) -> None:
        self.assertEqual(outcomes(PUBLISHED, "posix", 7), {"", "folder folder/final:1024/1024"})
        self.assertEqual(outcomes(PUBLISHED, "lasting", 7), {"folder folder/final:1024/1024"})

    def test_a_rename_is_there_or_not_but_never_half(self) -> None:
        self.assertEqual(
            outcomes(PUBLISHED, "lasting", 5),
            {"draft:1024/1024", "draft:1024/1024 folder", "", "folder folder/final:1024/1024"},
        )

    def test_a_journal_keeps_the_order_of_names(self) -> None:
        self.assertEqual(
            outcomes(PUBLISHED, "ordered", 5),
            {"draft:1024/1024", "draft:1024/1024 folder", "folder folder/final:1024/1024"},
        )
        self.assertEqual(outcomes(PUBLISHED, "ordered", 7), {"folder folder/final:1024/1024"})

    def test_a_sync_of_everything(self) -> None:
        synced = [*PUBLISHED[:2], Sync(None, "syncfs")]
        for model in MODELS:
            self.assertEqual(outcomes(synced, model, 3), {"draft:1024/1024"}, model)

    def test_a_sync_that_is_not_believed(self) -> None:
        states = States(recording(PUBLISHED), "lasting", lambda sync: sync.path != "draft")
        found = {shown(states.disk(state)) for state in states.plain(7)}
        self.assertIn("folder folder/final:0/0", found)

    def test_a_file_that_is_cut_off(self) -> None:
        cut = [*PUBLISHED[:3], Size(FILE, SECTOR)]
        self.assertEqual(outcomes(cut, "lasting", 4), {"draft:512/512", "draft:1024/1024"})

    def test_the_same_seed_gives_the_same_state(self) -> None:
        states = States(recording(PUBLISHED), "posix")
        chosen = [states.chosen(cut, 7) for cut in range(8)]
        self.assertEqual(chosen, [states.chosen(cut, 7) for cut in range(8)])
        self.assertEqual(
            [states.disk(state).digest() for state in chosen],
            [states.disk(state).digest() for state in chosen],
        )

    def test_words_stand_with_what_was_before_them(self) -> None:
        states = States(recording(PUBLISHED), "posix")
        self.assertEqual((states.words(), states.said(6), len(states.said(7))), ([7], [], 1))
        self.assertEqual(states.cuts(), [1, 2, 4, 5, 7])
        self.assertEqual(shown(states.disk(State("posix", 7, frozenset()))), "folder folder/final:1024/1024")
