"""What this server says by itself: an answer that refuses, in the application's words."""

from http import HTTPStatus
from typing import Any

from waitress.task import ErrorTask
from waitress.utilities import Error

from librarian.web.bare import FAULT, bare_refusal


class Refusal(Error):
    """What waitress keeps as the error of a request, with a status of ours."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.code = status
        self.reason = HTTPStatus(status).phrase


class RefusingTask(ErrorTask):
    """Answers a request that has an error, of waitress's or ours, and closes the connection."""

    def execute(self) -> None:
        request = self.request
        error = request.error
        # waitress's words for a fault of the application are not ours.
        reason = error.body if isinstance(error, Refusal) or error.code < 500 else FAULT
        self.status, headers, body = bare_refusal(request.headers.get("ACCEPT"), error.code, reason)
        self.response_headers.extend(headers)
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(b"" if request.command == "HEAD" else body)


def refuse(request: Any, status: int, reason: str) -> None:
    """Have this be the answer to `request`, whatever else it says."""
    request.error = Refusal(status, reason)
    request.completed = True
    request.expect_continue = False
