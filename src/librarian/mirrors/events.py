"""Events: a probe has changed whether a mirror is switched on, or found its certificate ending."""

from collections.abc import Mapping
from datetime import datetime

from zope.interface import implementer

from librarian.mirrors.interfaces import (
    ICertificateExpiring,
    IDistributionMirror,
    IMirrorDisabled,
    IMirrorEvent,
    IMirrorRecovered,
)


@implementer(IMirrorEvent)
class MirrorEvent:
    """Of a mirror; for administrators, as its owner has mail."""

    kind: str
    owner: str | None = None

    def __init__(self, mirror: IDistributionMirror) -> None:
        self.mirror = mirror

    @property
    def subject(self) -> str:
        """The mirror by its number, which it keeps."""
        return f"mirrors/{self.mirror.id}"

    @property
    def data(self) -> Mapping[str, object]:
        """Which mirror."""
        return {"mirror": self.mirror.name, "distribution": self.mirror.distribution.name}


@implementer(IMirrorDisabled)
class MirrorDisabled(MirrorEvent):
    """The prober switched it off."""

    kind = "mirror.disabled"

    def __init__(self, mirror: IDistributionMirror, log: bytes) -> None:
        super().__init__(mirror)
        self.log = log


@implementer(IMirrorRecovered)
class MirrorRecovered(MirrorEvent):
    """The prober switched it on again."""

    kind = "mirror.recovered"

    def __init__(self, mirror: IDistributionMirror, down_since: datetime | None) -> None:
        super().__init__(mirror)
        self.down_since = down_since

    @property
    def data(self) -> Mapping[str, object]:
        """With the time since which it was down, in RFC 3339, or null."""
        since = self.down_since
        return {**super().data, "down_since": None if since is None else since.isoformat()}


@implementer(ICertificateExpiring)
class CertificateExpiring(MirrorEvent):
    """Its certificate is about to expire."""

    kind = "mirror.certificate-expiring"

    def __init__(self, mirror: IDistributionMirror, expires: datetime) -> None:
        super().__init__(mirror)
        self.expires = expires

    @property
    def data(self) -> Mapping[str, object]:
        """With the end of the certificate, in RFC 3339."""
        return {**super().data, "expires": self.expires.isoformat()}
