"""Operations: what load balancers, supervisors and Prometheus ask of a running server.

Three pages answer them, as plain text or JSON:

    /health   200 as long as the process answers at all
    /ready    200 if it can serve files, else 503, with the state of the tree and of the byte store
    /metrics  counters of this process, and gauges of the library, in Prometheus's text format

The first two are on the web application's endpoint and on the endpoint *ops*; the metrics are on *ops* only,
which listens on the loopback interface unless the settings say otherwise, because they tell how much is
stored and by which methods it is used.

Two tweens do what must not depend on the tree.  `measure` is the outermost and counts every answer, also
those of other tweens.  `answer_probes` answers /health and /ready before a session of the tree is opened,
because the tree may be the part that does not work.

Several processes of one installation count apart.  Each has an ops endpoint with a port of its own, each is
scraped, and Prometheus adds up.  The gauges of the library are read anew for each scrape and are the same in
all processes.

A typical scrape: Prometheus gets /metrics; the view reads the counters of `IMeasurements`, then opens the
library for the gauges (`service.LibraryCollector`), and sends both.  An operator's alert on
``librarian_scrubbed_timestamp_seconds`` goes off when the last scrub is too long ago.
"""

from zope.interface import Attribute, Interface


class IClocks(Interface):
    """Compares this node's clock with that of the database, now and then; one for each application."""

    def warning() -> str:
        """How far they are apart, as of ten minutes ago at most; empty where that is little, or where the
        database is in this process.  Raises whatever the tree raises where it cannot be asked.
        """


class IMeasurements(Interface):
    """The counters of the requests that this process has answered since its start."""

    registry = Attribute("A prometheus_client CollectorRegistry.")
