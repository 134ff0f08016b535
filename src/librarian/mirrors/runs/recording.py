"""Records the report of a probe in the mirror."""

from datetime import datetime
from io import BytesIO

from zope.event import notify

from librarian.mirrors.enums import FindingKind, MirrorContent, MirrorStatus
from librarian.mirrors.events import CertificateExpiring
from librarian.mirrors.probing.plan import ContentKey, ProbeReport
from librarian.mirrors.probing.verdict import Verdict, is_incomplete
from librarian.mirrors.runs.scoring import score_of
from librarian.mirrors.service.bound import BoundMirror, BoundProbeRecord
from librarian.mirrors.settings import MirrorSettings

TROUBLES = 200  # remembered per mirror; a mirror that lacks everything lacks thousands of files


def record(
    mirror: BoundMirror,
    report: ProbeReport,
    verdict: Verdict,
    now: datetime,
    settings: MirrorSettings,
) -> BoundProbeRecord:
    """Take in `report`, with its log as a new probe record.

    One bad probe is no verdict: what the mirror held before stands until `failures_to_disable` of them
    came in a row.  An inconclusive one changes nothing but the time of the next.
    """
    made = mirror.newProbeRecord(BytesIO(report.log))
    _fill(made, report, verdict)
    mirror.inconclusive = verdict is Verdict.INCONCLUSIVE
    if verdict is not Verdict.INCONCLUSIVE:
        mirror.probes_judged += 1
        _note_troubles(mirror, report, now)
        mirror.families = tuple(report.families.items())
        if verdict in (Verdict.GOOD, Verdict.UNKNOWN):
            _take_well(mirror, report)
        else:
            _take_bad(mirror, report, settings)
        mirror.sum_up()
    made.freshness = mirror.freshness
    mirror.score = score_of(mirror, now)  # worked out here, because lists are asked for far more often
    _clear_away(mirror, now, settings)
    return made


def _fill(made: BoundProbeRecord, report: ProbeReport, verdict: Verdict) -> None:
    made.verdict = verdict.value
    made.requests = report.requests
    made.findings = len(report.findings)
    made.mean_seconds = sum(report.seconds) / len(report.seconds) if report.seconds else 0.0
    made.lag_hours = report.lag.total_seconds() / 3600 if report.lag is not None else 0.0


def _note_troubles(mirror: BoundMirror, report: ProbeReport, now: datetime) -> None:
    """Store the present troubles; one that was there before keeps the time it was first seen."""
    since = {(kind, url): when for kind, url, when in mirror.troubles}
    found = dict.fromkeys((finding.kind.value, finding.url) for finding in report.findings)
    mirror.troubles = tuple((*each, since.get(each, now)) for each in list(found)[:TROUBLES])


def _take_well(mirror: BoundMirror, report: ProbeReport) -> None:
    """Take in a report that is GOOD or UNKNOWN."""
    mirror.failures = 0
    _take_contents(mirror, report)
    mirror.images = tuple((check.release, check.flavour) for check in report.images)
    mirror.recover()
    mirror.certificate_expires = expires = report.certificate_expires
    if report.has(FindingKind.CERTIFICATE_EXPIRES) and expires and mirror.certificate_warned != expires:
        mirror.certificate_warned = expires
        notify(CertificateExpiring(mirror, expires))


def _take_contents(mirror: BoundMirror, report: ProbeReport) -> None:
    _replace_contents(mirror, report.contents)
    mirror.suites = tuple(sorted(report.suites.items()))


def _take_bad(mirror: BoundMirror, report: ProbeReport, settings: MirrorSettings) -> None:
    mirror.failures += 1
    if is_incomplete(report):  # what it has, and lacks, is known, and no reason to wait
        _take_contents(mirror, report)
    if mirror.failures < settings.failures_to_disable:
        return
    if not is_incomplete(report):
        _replace_contents(mirror, {})
        mirror.suites = ()
    mirror.images = tuple((check.release, check.flavour) for check in report.images)
    if mirror.enabled:
        mirror.disableAndNotifyOwner(report.log)


def _replace_contents(mirror: BoundMirror, contents: dict[ContentKey, MirrorStatus]) -> None:
    """Make the records of parts exactly those that were found."""
    if mirror.content is not MirrorContent.ARCHIVE:
        return
    for arch, pocket, component, _ in mirror.guessPackagesPaths():
        key = ContentKey(arch.distro_release.name, pocket, component.name, arch.architecture)
        if key in contents:
            mirror.ensure_binary_part(arch, pocket, component).freshness = contents[key]
        else:
            mirror.deleteMirrorDistroArchRelease(arch, pocket, component)
    for release, pocket, component, _ in mirror.guessSourcesPaths():
        key = ContentKey(release.name, pocket, component.name, None)
        if key in contents:
            mirror.ensure_source_part(release, pocket, component).freshness = contents[key]
        else:
            mirror.deleteMirrorDistroReleaseSource(release, pocket, component)
    mirror.drop_inactive_parts()


def _clear_away(mirror: BoundMirror, now: datetime, settings: MirrorSettings) -> None:
    mirror.forget_records_until(now - settings.keep_records)
    mirror.forget_logs_until(now - settings.keep_logs)
