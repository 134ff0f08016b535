"""What documents on the library need: things that happen to files only with time, and a neighbour."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from zope.component import getGlobalSiteManager, getUtility
from zope.interface import implementer
from zope.security.checker import Checker as SecurityChecker
from zope.security.checker import CheckerPublic, ProxyFactory
from zope.security.proxy import removeSecurityProxy

from librarian.library.interfaces import IFileHolder
from librarian.tree.interfaces import ITree
from librarian.web.views import IAppSection


def delete_content(alias: Any) -> None:
    """Delete the file behind an alias, as the collector does a week after its expiry."""
    getUtility(ITree).branch("library").delete_content(removeSecurityProxy(alias).record)


@implementer(IFileHolder)
class BugReport:
    """An object of some other application, which keeps attachments."""

    def __init__(self, attachments: dict[str, int]) -> None:
        self.attachments = attachments

    def getFileByName(self, filename: str) -> int:
        return self.attachments[filename]


@implementer(IAppSection)
class BugSection:
    """Shows one bug report under a URL."""

    title = "Bug"
    description = "A bug report."

    def __init__(self, report: Any) -> None:
        self._report = report

    def root(self, parent: Any, request: Any) -> Any:
        return self._report


def bug_report(attachments: dict[str, int], permission: str | None = None) -> Any:
    """A bug report whose attachments need `permission`; None lets everybody have them."""
    needed = CheckerPublic if permission is None else permission
    return ProxyFactory(BugReport(attachments), SecurityChecker({"getFileByName": needed}))


@contextmanager
def published(report: Any) -> Iterator[str]:
    """Show `report` in the web application for the length of a `with`; its URL."""
    registry, section = getGlobalSiteManager(), BugSection(report)
    registry.registerUtility(section, IAppSection, "bug")
    try:
        yield "http://localhost:6543/bug"
    finally:
        registry.unregisterUtility(section, IAppSection, "bug")
