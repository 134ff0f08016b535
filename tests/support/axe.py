"""axe-core, an auditor of accessibility, in the pages of a browser: light, dark and on a phone.

`tools/peers.py` fetches the script.  It is sent to the browser once, which runs it in every page before the
page's own scripts; light, dark and phone are three looks at one load of a page.
"""

from pathlib import Path
from typing import Any

from tests.support.browser import Browser

AXE = Path(__file__).resolve().parents[2] / "parts" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = """
const [wanted, done] = arguments;
const short = (results) => results.map((each) => [each.id, each.nodes.map((node) => [node.html,
  [...node.any, ...node.all, ...node.none].map((check) => check.message).join(" ")])]);
axe.run(document, {resultTypes: ["violations", "incomplete"], runOnly: wanted, iframes: false})
  .then((found) => done([short(found.violations), short(found.incomplete)]),
        (error) => done([[["axe", [[String(error), ""]]]], []]));
"""
WIDER = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
PHONE = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}

ALL = {"type": "tag", "values": TAGS}
OF_COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
OF_WIDTH = {"type": "rule", "values": ["color-contrast", "scrollable-region-focusable", "target-size"]}


def missing() -> bool:
    """Whether the script was not fetched."""
    return not AXE.is_file()


class Auditor:
    """Looks at the page that a browser shows, and keeps what axe-core finds.

    Of a page in the dark the rules on colours are asked, on a phone those that depend on the width: the
    elements are the same in all three.
    """

    def __init__(self, browser: Browser) -> None:
        self.driver = browser.driver
        self.pages: list[str] = []
        self.faults: list[str] = []  # "look page: rule elements"
        self.unsure: dict[tuple[str, str], set[str]] = {}  # page and element, by rule and reason
        source = {"source": AXE.read_text("utf-8")}
        made = self.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", source)
        self._script = {"identifier": made["identifier"]}

    def close(self) -> None:
        self.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", self._script)
        self._look_as("light", None)

    def judge(self, page: str) -> None:
        """Note what axe-core finds in what is shown now, and whether a phone scrolls it sideways."""
        self.pages.append(page)
        self._look_as("light", None)
        self._ask("light", page, ALL)
        self._look_as("dark", None)
        self._ask("dark", page, OF_COLOURS)
        self._look_as("light", PHONE)
        self._ask("phone", page, OF_WIDTH)
        if wider := self.driver.execute_script(WIDER):
            self.faults.append(f"phone {page}: wider by {wider}")
        self._look_as("light", None)

    def _ask(self, look: str, page: str, rules: dict[str, Any]) -> None:
        violations, incomplete = self.driver.execute_async_script(RUN, rules)
        for rule, nodes in violations:
            self.faults.append(f"{look} {page}: {rule} {nodes[:2]}")
        for rule, nodes in incomplete:
            for html, reason in nodes:
                self.unsure.setdefault((rule, reason), set()).add(f"{look} {page}: {html[:200]}")

    def _look_as(self, scheme: str, metrics: dict[str, Any] | None) -> None:
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        kind = "set" if metrics else "clear"
        self.driver.execute_cdp_cmd(f"Emulation.{kind}DeviceMetricsOverride", metrics or {})
