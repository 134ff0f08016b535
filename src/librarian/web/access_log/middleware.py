"""The access log: a line for each request, when its answer is sent.

A WSGI middleware, because only outside of everything else it is known how much of a body went out.
"""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

from zope.component import getUtility

from librarian.interfaces import IClock, ISettings, SettingsError
from librarian.web.access_log.lines import FORMATS, Entry
from librarian.web.access_log.log_file import LogFile
from librarian.web.access_log.masking import masked
from librarian.web.access_log.sent_bytes import Answer
from librarian.web.interfaces import DEFERRED, GRANTED, LIVE_BODY
from librarian.web.settings import AccessLogSettings


class AccessLogged:
    """The application, with every request written down."""

    def __init__(self, application: Any, log: LogFile, write: Callable[[Entry], str]) -> None:
        self.registry = application.registry
        self.log = log
        self._application = application
        self._format = write
        self._clock = getUtility(IClock)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        answer = Answer(environ, self._write)

        def begin(status: str, headers: Any, *exc_info: Any) -> Any:
            answer.status = int(status[:3])
            return start_response(status, headers, *exc_info)

        if "wsgi.file_wrapper" in environ:
            environ["wsgi.file_wrapper"] = answer.file_wrapper(environ["wsgi.file_wrapper"])
        if LIVE_BODY in environ:
            environ[LIVE_BODY] = answer.live_body(environ[LIVE_BODY])
        if DEFERRED in environ:
            environ[DEFERRED] = answer.deferred(environ[DEFERRED])
        return answer.given(lambda: self._application(environ, begin))

    def reopen(self, *signal: Any) -> None:
        """Have the next line go to a new file, if the old one was moved; a signal handler."""
        self.log.reopen()

    def _write(self, environ: dict[str, Any], status: int, size: int, seconds: float) -> None:
        if 0 < status < 200:  # the answer comes when the body has
            return
        self.write(
            # As the application has left it: a trusted front end's word on who the client is counts.
            client=environ.get("REMOTE_ADDR", ""),
            method=environ["REQUEST_METHOD"],
            target=_target(environ),
            protocol=environ.get("SERVER_PROTOCOL", ""),
            status=status,
            size=size,
            referer=environ.get("HTTP_REFERER", ""),
            agent=environ.get("HTTP_USER_AGENT", ""),
            seconds=seconds,
            granted=environ.get(GRANTED),
        )

    def write(
        self,
        *,
        client: str,
        method: str,
        target: str,
        protocol: str,
        status: int,
        size: int,
        referer: str,
        agent: str,
        seconds: float,
        granted: tuple[int, int] | None = None,
    ) -> None:
        """Write one line, of an answer that has just been sent; the fields are those of Entry."""
        entry = Entry(
            client=client,
            time=self._clock.now(),
            method=method,
            target=masked(target),
            protocol=protocol,
            status=status,
            size=size,
            referer=masked(referer),
            agent=agent,
            seconds=seconds,
            granted=granted,
        )
        self.log.write(self._format(entry).encode("ascii", "backslashreplace"))


def _target(environ: dict[str, Any]) -> str:
    """The target of the request, as the client spelled it, if the server tells."""
    stated: str | None = environ.get("REQUEST_URI")
    if stated is not None:
        return stated
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    query = environ.get("QUERY_STRING", "")
    return quote(path.encode("latin-1", "replace"), safe="/~+:@!$&'()*,;=") + (query and f"?{query}")


def with_access_log(application: Any) -> Any:
    """`application`, logged to where the settings say; itself, if that is nowhere."""
    settings = getUtility(ISettings).section(AccessLogSettings)
    if not settings.access_log:
        return application
    try:
        log = LogFile(settings.access_log)
    except OSError as error:
        raise SettingsError(settings.key("access_log"), str(error)) from error
    return AccessLogged(application, log, FORMATS[settings.access_log_format])
