"""The plan of a mirror's probe, drawn up from the tree."""

import random
from dataclasses import replace
from datetime import datetime

from librarian.mirrors.enums import MirrorContent, PackagePublishingPocket
from librarian.mirrors.model.mirrors import DistributionMirror
from librarian.mirrors.model.publications import Publications
from librarian.mirrors.paths import suite
from librarian.mirrors.probing.plan import ContentCheck, ContentKey, ImageCheck, ProbePlan
from librarian.mirrors.runs.sampling import Part, samples_of
from librarian.mirrors.settings import MirrorSettings


def plan_for(
    mirror: DistributionMirror, now: datetime, settings: MirrorSettings, chance: random.Random
) -> ProbePlan:
    """The plan for a probe of `mirror` at `now`.  Changes nothing."""
    plan = ProbePlan(mirror.id, mirror.name, mirror.base_url, mirror.content, was_well=mirror.is_well)
    if mirror.content is MirrorContent.RELEASE:
        return replace(plan, images=_image_checks(mirror))
    found = _guesses(mirror)
    suites = {key.suite for key, _ in found}
    published = [(key, publications) for key, publications in found if publications is not None]
    return replace(
        plan,
        checks=tuple(_content_check(key, publications, now) for key, publications in found),
        releases={suite: mirror.distribution.known_releases(suite) for suite in suites},
        samples=samples_of(_carried(mirror, published), now, settings.samples, settings.sample_bytes, chance),
        probe_number=mirror.probes_judged,
        index_rotation=max(1, settings.index_rotation),
    )


def _content_check(key: ContentKey, published: Publications | None, now: datetime) -> ContentCheck:
    files = {} if published is None else published.freshness_files(now)
    return ContentCheck(
        key,
        {status: file.path for status, file in files.items()},
        {file.path: file.size for file in files.values() if file.size},
        {file.path: file.date for file in files.values()},
    )


def _guesses(mirror: DistributionMirror) -> list[tuple[ContentKey, Publications | None]]:
    """The parts that the mirror may hold, with their publications; of a release whose archive was read only
    what that has."""
    read = {
        release.name
        for release in mirror.distribution.active_releases()
        if any(
            mirror.distribution.known_releases(suite(release.name, pocket))
            for pocket in PackagePublishingPocket
        )
    }
    return [
        (key, published)
        for key, published in _all_guesses(mirror)
        if published is not None or key.release not in read
    ]


def _all_guesses(mirror: DistributionMirror) -> list[tuple[ContentKey, Publications | None]]:
    sources = [
        (ContentKey(release.name, pocket, component.name, None), release.published(pocket, component))
        for release, pocket, component, _ in mirror.guessSourcesPaths()
    ]
    binaries = [
        (
            ContentKey(arch.distro_release.name, pocket, component.name, arch.architecture),
            arch.published(pocket, component),
        )
        for arch, pocket, component, _ in mirror.guessPackagesPaths()
    ]
    return sources + binaries


def _carried(mirror: DistributionMirror, parts: list[Part]) -> list[Part]:
    """The parts the mirror had when it was last judged; all of them, if it was not or had none."""
    carried = {part.key for part in (*mirror.source_parts, *mirror.binary_parts)}
    return [part for part in parts if part[0] in carried] or parts


def _image_checks(mirror: DistributionMirror) -> tuple[ImageCheck, ...]:
    images = mirror.distribution.images
    return tuple(ImageCheck(release, flavour, paths) for (release, flavour), paths in images.items())
