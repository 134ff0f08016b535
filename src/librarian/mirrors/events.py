"""Events: a probe has changed whether a mirror is switched on, or found its certificate ending."""

from datetime import datetime

from zope.interface import implementer

from librarian.mirrors.interfaces import (
    ICertificateExpiring,
    IDistributionMirror,
    IMirrorDisabled,
    IMirrorRecovered,
)


@implementer(IMirrorDisabled)
class MirrorDisabled:
    """The prober switched it off."""

    def __init__(self, mirror: IDistributionMirror, log: bytes) -> None:
        self.mirror = mirror
        self.log = log


@implementer(IMirrorRecovered)
class MirrorRecovered:
    """The prober switched it on again."""

    def __init__(self, mirror: IDistributionMirror, down_since: datetime | None) -> None:
        self.mirror = mirror
        self.down_since = down_since


@implementer(ICertificateExpiring)
class CertificateExpiring:
    """Its certificate is about to expire."""

    def __init__(self, mirror: IDistributionMirror, expires: datetime) -> None:
        self.mirror = mirror
        self.expires = expires
