"""Links of the pages: files that are there, headings that are there, addresses that can be."""

import re
import unittest
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from tests.documentation.reading import CHECKOUT, PAGES

_LINK = re.compile(r"(?<!`)\[[^\]\n]*\]\(([^)\s]+)\)")
_DOC = re.compile(r"\{doc\}`[^`<]*<([^>`]+)>`")
_BARE = re.compile(r"<(https?://[^>\s]+)>")
_HEADING = re.compile(r"^#+ +(.+?) *#*$", re.MULTILINE)
#: Hosts of examples and of this machine (RFC 2606, RFC 6761).
_OURS = re.compile(r"^(127\.0\.0\.1|localhost|([\w-]+\.)*(example|example\.(com|org|net)))$")


def links() -> Iterator[tuple[Path, str]]:
    """Page and target of every link."""
    for page in (*PAGES, CHECKOUT / "CHANGES.md"):
        text = re.sub(r"```.*?```|`[^`\n]*`(?!<)", "", page.read_text("utf-8"), flags=re.DOTALL)
        for pattern in (_LINK, _BARE):
            yield from ((page, target) for target in pattern.findall(text))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as forges and the site make them."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).strip().replace(" ", "-")
        for heading in _HEADING.findall(text)
    }


class Links(unittest.TestCase):
    def test_within_the_documentation(self) -> None:
        found = 0
        for page, target in links():
            if "://" in target or target.startswith("mailto:"):
                continue
            path, _, anchor = target.partition("#")
            with self.subTest(page.name, target=target):
                there = (page.parent / path) if path else page
                self.assertTrue(there.exists())
                if anchor:
                    self.assertIn(anchor, anchors(there))
            found += 1
        self.assertGreater(found, 30)

    def test_documents_of_the_site(self) -> None:
        for page in PAGES:
            for target in _DOC.findall(page.read_text("utf-8")):
                with self.subTest(page.name, target=target):
                    found = CHECKOUT / "docs" / target.lstrip("/")
                    self.assertTrue(any(found.with_suffix(each).exists() for each in (".rst", ".md")))

    def test_addresses_elsewhere_have_the_form_of_one(self) -> None:
        """Whether others' pages are there, no test asks: there may be no network."""
        for page, target in links():
            if "://" in target:
                with self.subTest(page.name, target=target):
                    found = urlsplit(target)
                    host = found.hostname or ""
                    self.assertRegex(host, r"^[a-z0-9.-]+$")
                    self.assertTrue(_OURS.match(host) or (found.scheme == "https" and "." in host))
