"""For documents on machines: accounts, imports, and short ways to print results."""

import json
from collections.abc import Callable
from typing import Any

import transaction
from zope.component import getUtility
from zope.security.interfaces import ForbiddenAttribute, Unauthorized
from zope.security.proxy import removeSecurityProxy

from librarian.interfaces import IClock, LibrarianError
from librarian.machines.enums import CodeImportResultStatus, CodeImportReviewStatus, RevisionControlSystem
from librarian.machines.interfaces import ICodeImportSet
from librarian.people.credentials.interfaces import ICredentialSet
from librarian.people.credentials.person_principal import PersonPrincipal
from librarian.people.interfaces import IPersonSet, ITeamSet
from librarian.security.interfaces import IPrincipal
from tests.support.servers import in_process as http


def person(name: str, *teams: str) -> IPrincipal:
    """A new person in `teams`, to act as."""
    made = removeSecurityProxy(getUtility(IPersonSet).new(name, name.capitalize()))
    for team in teams:
        removeSecurityProxy(getUtility(ITeamSet)[team]).addMember(made)
    return PersonPrincipal(made)


def event_types(events: Any) -> list[str]:
    """The types of some events."""
    return [event.event_type.name for event in events]


def items_of(event: Any) -> dict[str, str]:
    """The items of an event, with the names of the data types."""
    return {data_type.name: value for data_type, value in event.items()}


def attempt(call: Callable[[], Any]) -> None:
    """Print the value of `call`, or the LibrarianError or error of permission that it raises."""
    try:
        print(call())
    except (Unauthorized, ForbiddenAttribute) as error:
        print(type(error).__name__)
    except LibrarianError as error:
        print(f"{type(error).__name__}: {error}")


def new_import(name: str, **more: Any) -> Any:
    """An import of a git repository, reviewed and so due at once."""
    more.setdefault("review_status", CodeImportReviewStatus.REVIEWED)
    url = more.pop("url", f"https://example.com/{name}.git")
    return getUtility(ICodeImportSet).new(name, RevisionControlSystem.GIT, url, "sam", **more)


def fail_once(scheduler: Any, code_import: Any, hostname: str) -> None:
    """Run the job of an import when it is due, and let it fail; print the time to the next, or the status."""
    clock: Any = getUtility(IClock)
    clock.move(seconds=max((code_import.import_job.date_due - clock.now()).total_seconds(), 0))
    code_import.request()
    job = scheduler.getJobForMachine(hostname, 1)
    scheduler.startJob(job.id, hostname)
    scheduler.finishJob(job.id, hostname, CodeImportResultStatus.FAILURE)
    following = code_import.import_job
    print(code_import.review_status.name if following is None else following.date_due - clock.now())


def bearer(name: str, *teams: str) -> str:
    """The Authorization header of a new person's token for machines."""
    principal = person(name, *teams)
    credentials = removeSecurityProxy(getUtility(ICredentialSet)).of(principal.person)
    secret = removeSecurityProxy(credentials).newToken("machines", ["machines"]).secret
    transaction.commit()
    return f"Bearer {secret}"


def show(url: str, authorization: str, /, **fields: Any) -> None:
    """GET a page of JSON, or POST `fields` to it, and print its items, one on each line.

    Of a list the length is printed; empty, zero and false values are left out.
    """
    headers = {"Accept": "application/json", "Authorization": authorization}
    if fields:
        headers["Content-Type"] = "application/json"
    body = json.dumps(fields).encode() if fields else b""
    answer = http.request("POST" if fields else "GET", url, headers, body)
    print(answer.status)
    for key, value in (answer.json if answer.body else {}).items():
        shown = f"{len(value)} of them" if isinstance(value, list) else value
        if value:
            print(f"{key}: {shown}")
