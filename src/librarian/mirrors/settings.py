"""Settings of the mirror prober."""

from dataclasses import dataclass
from datetime import timedelta

from zope.component import getUtility
from zope.interface import provider

from librarian.interfaces import ISettings, ISettingsSection, SettingsError
from librarian.mirrors.probing.interfaces import ProberSettings
from librarian.net.networks import Networks
from librarian.quantities import Size
from librarian.settings import Section


@provider(ISettingsSection)
@dataclass(frozen=True)
class MirrorSettings(Section):
    """Times, limits, and what the prober may touch."""

    prefix = "mirrors"
    probe_in_server: timedelta = timedelta(0)  # how often the server looks for what is due; 0: never
    probe_interval: timedelta = timedelta(hours=24)  # between two probes of a mirror
    recheck_interval: timedelta = timedelta(hours=1)  # of a mirror whose last probe was not good
    failures_to_disable: int = 2  # bad probes in a row; 1: the first is a verdict
    parallel: int = 100  # requests at the same time
    parallel_per_host: int = 2  # of these, to one host
    timeout: timedelta = timedelta(seconds=30)  # for one request
    allowed_networks: Networks = ()  # private ones the prober may connect to: 10.1.0.0/16
    proxy: str = ""  # URL of an HTTP proxy for all requests; empty: none
    ca_file: str = ""  # authorities that sign mirrors' certificates; empty: those of the system
    keyring: str = ""  # a file with the archives' signing keys; empty: signatures are not checked
    keyrings: tuple[str, ...] = ()  # NAME:FILE, by distribution; NAME: checks no signatures
    user_agent: str = "librarian mirror prober"  # the field User-Agent of requests
    samples: int = 10  # of the newest files, and as many by chance
    sample_bytes: Size = Size(1 << 20)  # larger ones are not fetched; only their size is compared
    index_rotation: int = 30  # probes within which each large index was fetched and hashed
    control_urls: tuple[str, ...] = ()  # asked when a mirror fails; none: the archives and good mirrors
    certificate_warning: timedelta = timedelta(days=14)  # before a certificate expires, its owner is told
    keep_records: timedelta = timedelta(days=365)  # how long a probe is remembered
    keep_logs: timedelta = timedelta(days=30)  # how long the log of a probe is kept
    claim_lifetime: timedelta = timedelta(hours=2)  # after which a probe that told nothing is over

    def prober(self) -> ProberSettings:
        """The part the prober itself needs."""
        return ProberSettings(
            parallel=self.parallel,
            parallel_per_host=self.parallel_per_host,
            timeout_seconds=self.timeout.total_seconds(),
            allowed_networks=self.allowed_networks,
            proxy=self.proxy or None,
            ca_file=self.ca_file or None,
            user_agent=self.user_agent,
            certificate_warning_days=self.certificate_warning.days,
        )

    def keyring_of(self, distribution: str) -> str | None:
        """The file with the keys that may sign the archive of a distribution; None: signatures are not
        checked.  Raises SettingsError."""
        own: dict[str, str] = {}
        for each in self.keyrings:
            name, colon, path = each.partition(":")
            if not name or not colon:
                raise SettingsError(self.key("keyrings"), f"{each!r} is not NAME:FILE")
            own[name] = path
        return own.get(distribution, self.keyring) or None


def mirror_settings() -> MirrorSettings:
    """The settings in force now."""
    return getUtility(ISettings).section(MirrorSettings)
