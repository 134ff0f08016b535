"""Settings of webhooks."""

from dataclasses import dataclass
from datetime import timedelta

from zope.interface import provider

from librarian.interfaces import ISettingsSection
from librarian.net.networks import Networks
from librarian.settings import Section


@provider(ISettingsSection)
@dataclass(frozen=True)
class EventSettings(Section):
    """Which addresses webhooks may lead to, and how long a delivery is tried."""

    prefix = "events"
    send_in_server: timedelta = timedelta(0)  # how often the server sends what waits; 0: never
    source: str = ""  # the CloudEvents source; empty: librarian.download_url
    allowed_networks: Networks = ()  # private ones that webhooks may lead to: 10.1.0.0/16
    timeout: timedelta = timedelta(seconds=10)  # for one delivery, from the name's look-up to the answer
    give_up_after: timedelta = timedelta(days=3)  # a delivery that was never accepted is parked then
