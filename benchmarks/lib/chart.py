"""Draws the chart: a panel for each figure that decides a goal, a bar for each peer, a line at the goal. Plain SVG."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from benchmarks.lib.goals import Part, goals
from benchmarks.lib.peers import OURS, PEERS
from benchmarks.lib.question import Figure, Question, Row
from benchmarks.lib.report import number
from benchmarks.lib.stats import summary
from benchmarks.lib.store import Found

_WIDTH: Final = 960
_NAMES: Final = 300
_VALUES: Final = 70
_BAR: Final = 17
_GAP: Final = 5
_TITLE: Final = 30
_MARGIN: Final = 18

# Okabe and Ito's colours, which people with any kind of colour vision tell apart; the goal is also dashed and named,
# and our bars are also in bold.
_OURS: Final = "#0072B2"
_OVER_SDK: Final = "#56B4E9"
_PEER: Final = "#BBBBBB"
_GOAL: Final = "#D55E00"
_TEXT: Final = "#222222"


@dataclass(frozen=True, slots=True)
class _Bar:
    name: str
    value: float
    colour: str


def chart(found: Found, questions: Mapping[str, Question]) -> str:
    """Return the chart as SVG."""
    rows = {row.key: (question, row) for question in questions.values() for row in question.rows}
    panels: list[str] = []
    top = _MARGIN
    for part in _parts():
        bars = _bars(found.figures.get(part.row, {}))
        if not bars:
            continue
        question, row = rows[part.row]
        panels += _panel(top, question, row, part, bars)
        top += _TITLE + len(bars) * (_BAR + _GAP) + _MARGIN
    style = f"text{{font:13px system-ui,sans-serif;fill:{_TEXT};paint-order:stroke;stroke:#fff;stroke-width:3px}}.t{{font-weight:600}}.g{{fill:{_GOAL}}}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{top}" viewBox="0 0 {_WIDTH} {top}" role="img">'
    about = "<title>Figures of this package and its peers; shorter bars are better</title>"
    return "\n".join(
        [
            head,
            about,
            f"<style>{style}</style>",
            f'<rect width="{_WIDTH}" height="{top}" fill="#fff"/>',
            *panels,
            "</svg>",
            "",
        ]
    )


def _parts() -> Iterator[Part]:
    seen = set()
    for goal in goals():
        for part in goal.parts:
            if part.row not in seen:
                seen.add(part.row)
                yield part


def _bars(figures: Mapping[str, Figure]) -> list[_Bar]:
    bars = [
        _Bar(PEERS[peer].title.replace("`", ""), summary(figure.values).median, _colour(peer))
        for peer, figure in figures.items()
        if figure.values and not peer.startswith("bare")
    ]
    return sorted(bars, key=lambda bar: bar.value)


def _colour(peer: str) -> str:
    if not peer.startswith(OURS):
        return _PEER
    return _OVER_SDK if "sdk" in peer else _OURS


def _panel(top: int, question: Question, row: Row, part: Part, bars: list[_Bar]) -> Iterator[str]:
    room = _WIDTH - _NAMES - _VALUES - 2 * _MARGIN
    most = max(*(bar.value for bar in bars), part.most, 1e-9)
    left = _MARGIN + _NAMES
    unit = f" ({row.unit})" if row.unit else ""
    title = escape(f"{question.title}: {row.title}{unit}")
    down = top + _TITLE
    line = left + room * part.most / most
    yield f'<text class="t" x="{_MARGIN}" y="{top + 18}">{title}</text>'
    yield f'<text class="g" x="{_WIDTH - _MARGIN}" y="{top + 18}" text-anchor="end">goal ≤ {part.most:g}</text>'
    for place, bar in enumerate(bars):
        wide = max(1.0, room * max(bar.value, 0.0) / most)
        yield f'<rect x="{left}" y="{down + place * (_BAR + _GAP)}" width="{wide:.1f}" height="{_BAR}" fill="{bar.colour}"/>'
    yield (
        f'<line x1="{line:.1f}" x2="{line:.1f}" y1="{down - 4}" y2="{down + len(bars) * (_BAR + _GAP)}" '
        f'stroke="{_GOAL}" stroke-width="2" stroke-dasharray="4 3"/>'
    )
    for place, bar in enumerate(bars):
        y = down + place * (_BAR + _GAP) + 13
        wide = max(1.0, room * max(bar.value, 0.0) / most)
        kind = "" if bar.colour == _PEER else ' class="t"'
        yield f'<text{kind} x="{left - 8}" y="{y}" text-anchor="end">{escape(bar.name)}</text>'
        yield f'<text{kind} x="{left + wide + 6:.1f}" y="{y}">{number(bar.value)}</text>'
