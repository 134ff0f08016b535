"""The identity of the installation, stored in the tree."""

from persistent import Persistent

from librarian.tree.subtree import Subtree, store_new_class_names


class InstallationSubtree(Persistent):
    """The id of the installation, as the database has it."""

    id: str | None = None  # 32 hex digits

    def __repr__(self) -> str:
        return f"<InstallationSubtree {self.id}>"


FORMER_NAMES = {
    "librarian.library.installation.InstallationBranch": InstallationSubtree,
    "librarian.library.installation.InstallationSubtree": InstallationSubtree,
}

STEPS = (store_new_class_names, store_new_class_names)

subtree = Subtree("installation", InstallationSubtree, STEPS, FORMER_NAMES)
