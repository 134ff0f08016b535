"""Base URLs: the URLs below which a mirror's files are."""

from urllib.parse import urlsplit

from librarian.mirrors.interfaces import BadBaseURL


def check_base_url(url: str, *schemes: str) -> str:
    """`url`, if a mirror's files can start there.  Raises BadBaseURL."""
    if not url.isprintable() or " " in url:
        raise BadBaseURL(url, "it has a blank or a character that cannot be printed")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise BadBaseURL(url, str(error)) from error
    if parts.scheme not in schemes:
        raise BadBaseURL(url, f"its scheme is not {' or '.join(schemes)}")
    if not parts.hostname:
        raise BadBaseURL(url, "it names no host")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise BadBaseURL(url, "it has a user, a query or a fragment")
    return url


def normal_url(url: str) -> str:
    """For comparing: host in lower case, no slash at the end."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"
