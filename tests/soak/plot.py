"""A run as an SVG: a panel for each figure over time, with the moments at which the server was harmed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from tests.soak.samples import Sample
from tests.soak.watch import Span

WIDTH, HEIGHT, LEFT, TOP = 560, 90, 90, 24  # pixels of a panel, and the margins of the whole
GAP = 22  # between panels
COLOURS = ("#1f5f99", "#b3541e")

Curve = tuple[str, Callable[[Sample], float]]


@dataclass(frozen=True)
class Panel:
    """Curves with one scale."""

    unit: str
    curves: Sequence[Curve]


PANELS = (
    Panel("MiB", (("memory", lambda each: each.memory), ("resident", lambda each: each.resident))),
    Panel("", (("descriptors", lambda each: each.descriptors), ("threads", lambda each: each.threads))),
    Panel("MiB", (("tree", lambda each: each.tree), ("store", lambda each: each.store))),
    Panel("ms", (("99 of 100 requests", lambda each: each.p99), ("median", lambda each: each.median))),
)


def plotted(samples: Sequence[Sample], disturbances: Sequence[Span], length: float) -> str:
    """The SVG."""
    height = TOP + len(PANELS) * (HEIGHT + GAP) + 16
    size = f'viewBox="0 0 {LEFT + WIDTH + 20} {height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="sans-serif" font-size="11">',
        "<title>Memory, descriptors, sizes and times over the run</title>",
        f'<rect width="{LEFT + WIDTH + 20}" height="{height}" fill="#fff"/>',
    ]
    end = max([length, *(each.at for each in samples)])
    for number, panel in enumerate(PANELS):
        parts += _panel(panel, TOP + number * (HEIGHT + GAP), samples, disturbances, end)
    for step in range(5):
        across, moment = LEFT + WIDTH * step / 4, f"{end * step / 4 / 60:.0f} min"
        parts.append(f'<text x="{across:.0f}" y="{height - 6}" text-anchor="middle">{moment}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _panel(
    panel: Panel, top: float, samples: Sequence[Sample], disturbances: Sequence[Span], end: float
) -> list[str]:
    most = max([1.0, *(read(each) for _name, read in panel.curves for each in samples)])
    parts = [
        f'<rect x="{LEFT}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#999"/>',
        f'<text x="{LEFT - 6}" y="{top + 10}" text-anchor="end">{most:.0f} {panel.unit}</text>',
        f'<text x="{LEFT - 6}" y="{top + HEIGHT}" text-anchor="end">0</text>',
    ]
    for span in disturbances:
        across = LEFT + WIDTH * span.begun / end
        parts.append(
            f'<line x1="{across:.1f}" x2="{across:.1f}" y1="{top}" y2="{top + HEIGHT}" stroke="#ddd">'
            f"<title>{escape(span.what)}</title></line>"
        )
    for number, (name, read) in enumerate(panel.curves):
        points = " ".join(
            f"{LEFT + WIDTH * each.at / end:.1f},{top + HEIGHT * (1 - read(each) / most):.1f}"
            for each in samples
        )
        colour = COLOURS[number]
        parts += [
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>',
            f'<text x="{LEFT + 6 + 150 * number}" y="{top - 5}" fill="{colour}">{escape(name)}</text>',
        ]
    return parts
