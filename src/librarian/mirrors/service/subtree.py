"""The subtree ``mirrors`` of the tree."""

from zope.component import getUtility

from librarian.library.service import HeldInSubtree
from librarian.mirrors.model.contents import MirrorDistroArchRelease, MirrorDistroReleaseSource
from librarian.mirrors.model.distributions import Distribution, MirrorsSubtree, number_files
from librarian.mirrors.model.mirrors import DistributionMirror, MirrorProbeRecord
from librarian.mirrors.model.publications import Publication, Publications
from librarian.mirrors.model.releases import Component, DistroArchRelease, DistroRelease
from librarian.tree.interfaces import ITree
from librarian.tree.subtree import Subtree, store_new_class_names

SUBTREE = "mirrors"
PROBER = "mirror-prober"  # the system principal the prober acts as
_FORMER_NAMES = {
    "librarian.mirrors.contents.MirrorDistroArchRelease": MirrorDistroArchRelease,
    "librarian.mirrors.contents.MirrorDistroReleaseSource": MirrorDistroReleaseSource,
    "librarian.mirrors.distributions.Distribution": Distribution,
    "librarian.mirrors.distributions.MirrorsBranch": MirrorsSubtree,
    "librarian.mirrors.distributions.MirrorsSubtree": MirrorsSubtree,
    "librarian.mirrors.model.DistributionMirror": DistributionMirror,
    "librarian.mirrors.model.MirrorProbeRecord": MirrorProbeRecord,
    "librarian.mirrors.publications.Publication": Publication,
    "librarian.mirrors.publications.Publications": Publications,
    "librarian.mirrors.releases.Component": Component,
    "librarian.mirrors.releases.DistroArchRelease": DistroArchRelease,
    "librarian.mirrors.releases.DistroRelease": DistroRelease,
}
subtree = Subtree(
    SUBTREE, MirrorsSubtree, (number_files, store_new_class_names, store_new_class_names), _FORMER_NAMES
)
references = HeldInSubtree(SUBTREE)


def mirrors_subtree() -> MirrorsSubtree:
    """The subtree, of the connection of the thread that asks."""
    found: MirrorsSubtree = getUtility(ITree).subtree(SUBTREE)
    return found
