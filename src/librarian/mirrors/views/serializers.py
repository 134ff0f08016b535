"""Mirrors, their parts and their probes as values for JSON, which pages show as well."""

from datetime import datetime
from typing import Any

from librarian.mirrors.enums import (
    DisabledBy,
    MirrorContent,
    MirrorPulseType,
    MirrorReviewStatus,
    MirrorStatus,
)
from librarian.mirrors.probing.verdict import Score
from librarian.mirrors.views.board import why_unlisted
from librarian.web.openapi.schemas import (
    ANYTHING,
    COUNT,
    FLAG,
    NUMBER,
    TEXT,
    TIME,
    URL,
    Named,
    array,
    mapping,
    nullable,
    obj,
    one_of,
)

SCORE = Named(
    "MirrorScore",
    obj(
        value=nullable(NUMBER),
        checks=COUNT,
        completion=NUMBER,
        delay_hours=NUMBER,
        mean_seconds=NUMBER,
        deviation_seconds=NUMBER,
    ),
)
RECORD = Named(
    "MirrorProbe",
    obj(
        date=TIME,
        verdict=TEXT,
        freshness=one_of(MirrorStatus),
        requests=COUNT,
        findings=ANYTHING,
        mean_seconds=NUMBER,
        lag_hours=NUMBER,
    ),
)
MIRROR = Named(
    "Mirror",
    obj(
        id=COUNT,
        name=TEXT,
        display_name=TEXT,
        distribution=TEXT,
        owner=TEXT,
        base_urls=array(URL),
        country=TEXT,
        content=one_of(each.value for each in MirrorContent),
        speed=TEXT,
        pulse_type=one_of(each.value for each in MirrorPulseType),
        review_status=one_of(MirrorReviewStatus),
        official=FLAG,
        enabled=FLAG,
        disabled_by=nullable(one_of(each.value for each in DisabledBy)),
        down_since=nullable(TIME),
        freshness=one_of(MirrorStatus),
        release_files=mapping(one_of(MirrorStatus)),
        families=mapping(ANYTHING),
        certificate_expires=nullable(TIME),
        failures=COUNT,
        last_probe=nullable(RECORD),
        score=nullable(SCORE),
        unlisted_because=nullable(TEXT),
    ),
)
CONTENTS = array(obj(suite=TEXT, component=TEXT, architecture=TEXT, freshness=one_of(MirrorStatus)))
TROUBLES = array(obj(kind=TEXT, url=TEXT, since=nullable(TIME)))


def describe(mirror: Any) -> dict[str, Any]:
    """A mirror as JSON; times in RFC 3339, UTC, durations as their names say.

    The score is the one of its last probe.
    """
    last = mirror.last_probe_record
    return {
        "id": mirror.id,
        "name": mirror.name,
        "display_name": mirror.display_name,
        "distribution": mirror.distribution.name,
        "owner": mirror.owner.name,
        "base_urls": list(mirror.base_urls),
        "country": mirror.country.iso3166code2,
        "content": mirror.content.value,
        "speed": mirror.speed.title,
        "pulse_type": mirror.pulse_type.value,
        "review_status": mirror.review_status.name,
        "official": mirror.isOfficial(),
        "enabled": mirror.enabled,
        "disabled_by": mirror.disabled_by and mirror.disabled_by.value,
        "down_since": _time(mirror.down_since),
        "freshness": mirror.freshness.name,
        "release_files": {suite: status.name for suite, status in mirror.suites},  # by these alone
        "families": dict(mirror.families),
        "certificate_expires": _time(mirror.certificate_expires),
        "failures": mirror.failures,
        "last_probe": last and describe_record(last),
        "score": mirror.score and describe_score(mirror.score),
        "unlisted_because": why_unlisted(mirror),
    }


def describe_contents(mirror: Any) -> list[dict[str, Any]]:
    """The contents of the mirror as JSON, part by part."""
    rows = [
        (row.distro_release.name, row.pocket, row.component.name, "source", row.freshness)
        for row in mirror.source_releases
    ] + [
        (
            row.distro_arch_release.distro_release.name,
            row.pocket,
            row.component.name,
            row.distro_arch_release.architecture,
            row.freshness,
        )
        for row in mirror.arch_releases
    ]
    return [
        {
            "suite": release + pocket.suffix,
            "component": component,
            "architecture": architecture,
            "freshness": freshness.name,
        }
        for release, pocket, component, architecture, freshness in rows
    ]


def describe_record(record: Any) -> dict[str, Any]:
    """One probe."""
    return {
        "date": _time(record.date_created),
        "verdict": record.verdict,
        "freshness": record.freshness.name,
        "requests": record.requests,
        "findings": record.findings,
        "mean_seconds": round(record.mean_seconds, 4),
        "lag_hours": round(record.lag_hours, 2),
    }


def describe_troubles(mirror: Any) -> list[dict[str, Any]]:
    """The faults that the last probe found as JSON, with the time each was first seen."""
    return [{"kind": kind, "url": url, "since": _time(since)} for kind, url, since in mirror.troubles]


def describe_score(found: Score) -> dict[str, Any]:
    """The score and what it was made of."""
    return {
        "value": None if found.value is None else round(found.value, 3),
        "checks": found.checks,
        "completion": round(found.completion, 4),
        "delay_hours": round(found.delay_hours, 3),
        "mean_seconds": round(found.mean_seconds, 4),
        "deviation_seconds": round(found.deviation_seconds, 4),
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
