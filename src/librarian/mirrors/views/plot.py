"""A plot of a mirror's probes, as SVG without scripts or styles, so that any page may show it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from xml.etree import ElementTree as ET

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 720, 180, 40, 24
_COLOURS = {"good": "#1c7a3e", "failed": "#a4262c"}
_OTHER = "#5d6b7a"


def lag_plot(records: Sequence[dict[str, Any]], now: datetime) -> bytes:
    """Hours behind against time, one mark a probe; a failed probe is a mark on the ground line.

    `records` as `describe_record` gives them, oldest first.
    """
    svg = ET.Element("svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {_WIDTH} {_HEIGHT}", role="img")
    svg.set("class", "plot")  # in a page, its style sheet gives the colours
    ET.SubElement(svg, "title").text = f"Hours behind at {len(records)} probes"
    ground = _HEIGHT - _BOTTOM
    _line(svg, _LEFT, ground, _WIDTH, ground)
    if not records:
        _label(svg, _WIDTH // 2, ground // 2, "not probed yet")
        return ET.tostring(svg)
    times = [datetime.fromisoformat(record["date"]).timestamp() for record in records]
    first, span = times[0], max(now.timestamp() - times[0], 1.0)
    highest = max(1.0, *(record["lag_hours"] for record in records))
    for moment, record in zip(times, records, strict=True):
        x = _LEFT + (moment - first) / span * (_WIDTH - _LEFT - 8)
        y = ground - record["lag_hours"] / highest * (ground - 16)
        mark = ET.SubElement(svg, "circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r="4")
        mark.set("fill", _COLOURS.get(record["verdict"], _OTHER))
        mark.set("class", record["verdict"] if record["verdict"] in _COLOURS else "other")
        hours = f"{record['lag_hours']:.1f} h behind"
        ET.SubElement(mark, "title").text = f"{record['date']}: {record['verdict']}, {hours}"
    _label(svg, _LEFT - 6, 16, f"{highest:.0f} h", "end")
    _label(svg, _LEFT - 6, ground, "0", "end")
    _label(svg, _LEFT, _HEIGHT - 6, records[0]["date"][:10], "start")
    _label(svg, _WIDTH - 4, _HEIGHT - 6, f"{now:%Y-%m-%d}", "end")
    return ET.tostring(svg)


def _line(svg: ET.Element, x1: int, y1: int, x2: int, y2: int) -> None:
    ET.SubElement(svg, "line", x1=str(x1), y1=str(y1), x2=str(x2), y2=str(y2), stroke=_OTHER)


def _label(svg: ET.Element, x: int, y: int, words: str, anchor: str = "middle") -> None:
    element = ET.SubElement(svg, "text", x=str(x), y=str(y), fill=_OTHER)
    element.set("font-size", "12")
    element.set("font-family", "sans-serif")
    element.set("text-anchor", anchor)
    element.text = words
