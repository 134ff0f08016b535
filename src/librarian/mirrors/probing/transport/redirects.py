"""The rule for the targets of redirects."""

from urllib.parse import unquote, urljoin, urlsplit

from librarian.mirrors.probing.interfaces import RedirectToDifferentFile, UnknownURLScheme

SCHEMES = frozenset({"http", "https", "ftp"})
STATUSES = frozenset({301, 302, 303, 307, 308})


def last_segment(url: str) -> str:
    """The unquoted name of the file a URL leads to."""
    return unquote(urlsplit(url).path.rpartition("/")[2])


def check_scheme(url: str) -> str:
    """The scheme of `url`.  Raises UnknownURLScheme for one the prober does not speak."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none, brackets that do not close
        known = False
    if not known:
        raise UnknownURLScheme(url, f"{url} is no http, https or ftp URL")
    return parts.scheme


def follow(original: str, current: str, location: str) -> str:
    """The URL a `location` header seen at `current` leads to, relative or not (RFC 9110, 10.2.2).

    Raises RedirectToDifferentFile if it names another file than `original`, UnknownURLScheme.
    """
    try:
        target = urljoin(current, location.strip())
    except ValueError as error:
        raise UnknownURLScheme(current, f"{current} redirects to nonsense: {location!r}") from error
    check_scheme(target)
    if last_segment(target) != last_segment(original):
        raise RedirectToDifferentFile(original, target)
    return target.partition("#")[0]
