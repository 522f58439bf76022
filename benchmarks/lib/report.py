"""Writes the page: goals, figures, method, what is not counted."""

# ruff: noqa: RUF001 - the sign for times and the dash between two figures are meant

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from benchmarks.lib.goals import Goal, goals
from benchmarks.lib.peers import OURS, PEERS
from benchmarks.lib.question import Figure, Question, Row
from benchmarks.lib.stats import ratio, summary
from benchmarks.lib.store import Found

_OURS: Final = frozenset(key for key in PEERS if key.startswith(OURS))
_HEAD: Final = """\
<!-- DO NOT EDIT. Written by `make bench`. -->

# Benchmarks

What observability costs, this package and its peers side by side in one run on one machine.
Ratios carry over to other machines; microseconds do not.
"""
_METHOD: Final = """\
## Method

- Every peer runs in a process of its own, set up as its documentation says; one that changes whatever stands beside it has an environment of its own. Versions are locked with hashes (`requirements/bench*.txt`).
- The peers take turns, round by round, another one first each time, so that what else the machine does hits all alike. A figure is the median of its rounds; the spread is from the lower to the upper quartile. Ratios are medians of the ratios of each round.
- Exports are real: OTLP over HTTP (protobuf) to a receiver in another process on the same machine, which reads, decodes, counts and answers.
- Nothing is left out of our path: redaction, limits, propagation, exemplars, sampling, the metrics page and export are on. What a peer's figure lacks is said beside it.
- Not counted: the receiver's work, the network (loopback only), disks, several workers, several threads at once.
- `make bench` makes the environments and this page; `make bench ARGS="--only request"` answers one question; `make bench ARGS=--quick` takes two minutes. `make bench-check` is the short form for CI: it demands ratios to plain OpenTelemetry (`benchmarks/thresholds.toml`).
"""


def page(found: Found, questions: Mapping[str, Question]) -> str:
    """Return the page."""
    parts = [
        _HEAD,
        _machine(found),
        "\n".join(_goals(found, questions)),
        "![Figures of this package and its peers, with the goals](benchmarks.svg)\n",
        _METHOD,
        *(part for question in questions.values() if (part := section(found, question))),
    ]
    return "\n".join(parts)


def _machine(found: Found) -> str:
    machine = found.machine
    about = f"{machine['cores']} cores ({machine['architecture']}), {machine['system']}, {machine['python']}"
    lines = [f"Machine: {about}. The run took {found.minutes:.0f} minutes."]
    if found.size != "full":
        lines.append("**A quick run: few rounds, small samples; its figures are not to be quoted.**")
    names = {"bench": "", "bench-logfire": "Beside logfire: ", "bench-openlit": "Beside openlit: "}
    for environment, versions in found.versions.items():
        listed = ", ".join(f"{name} {version}" for name, version in versions.items())
        lines.append(f"{names[environment]}{listed}.")
    return "\n\n".join(lines) + "\n"


def _goals(found: Found, questions: Mapping[str, Question]) -> Iterator[str]:
    rows = {row.key: row for question in questions.values() for row in question.rows}
    yield "## Goals\n"
    yield "| what | goal | ours | | peers, from the best |"
    yield "| --- | --- | --- | --- | --- |"
    for goal in goals():
        met = {True: "met", False: "**not met**", None: "not measured"}[goal.met(found.figures)]
        yield f"| {goal.what} | {goal.goal} | {_ours(goal, found, rows)} | {met} | {_peers(goal, found, rows)} |"
    yield ""
    remarks = [f"- {goal.what}: {goal.remark}" for goal in goals() if goal.remark]
    yield from (*remarks, "") if remarks else ()


def _ours(goal: Goal, found: Found, rows: Mapping[str, Row]) -> str:
    shown = []
    for part in goal.parts:
        figure = found.figures.get(part.row, {}).get(part.peer)
        shown.append(_amount(figure, rows[part.row]))
    return " / ".join(shown)


def _peers(goal: Goal, found: Found, rows: Mapping[str, Row]) -> str:
    keys = list(dict.fromkeys(part.row for part in goal.parts))
    named: dict[str, list[str]] = {}
    for peer in found.figures.get(keys[0], {}):
        figures = [found.figures.get(key, {}).get(peer) for key in keys]
        if peer not in _OURS and not peer.startswith("bare") and all(each and each.values for each in figures):
            named[peer] = [_amount(figure, rows[key]) for figure, key in zip(figures, keys, strict=True)]
    ranked = sorted(named, key=lambda peer: summary(found.figures[keys[0]][peer].values).median)
    return "; ".join(f"{PEERS[peer].title} {' / '.join(named[peer])}" for peer in ranked)


def section(found: Found, question: Question) -> str:
    """Return a question's part of the page, empty where it was not asked."""
    asked = [row for row in question.rows if found.figures.get(row.key)]
    if not asked:
        return ""
    lines = [f"## {question.title}\n", f"{question.method}\n"]
    if question.lacks:
        lines += [*(f"- {PEERS[peer].title}: {lack}." for peer, lack in question.lacks.items()), ""]
    for row in asked:
        lines += [f"### {row.title[0].upper()}{row.title[1:]}\n", *_table(row, found.figures[row.key]), ""]
    return "\n".join(lines)


def _table(row: Row, figures: Mapping[str, Figure]) -> Iterator[str]:
    unit = f" ({row.unit})" if row.unit else ""
    ours = figures.get(OURS)
    yield f"| | median{unit} | spread | rounds | to ours | |"
    yield "| --- | ---: | ---: | ---: | ---: | --- |"
    for peer in sorted(figures, key=lambda each: _rank(figures[each])):
        figure = figures[peer]
        name = f"**{PEERS[peer].title}**" if peer == OURS else PEERS[peer].title
        if not figure.values:
            yield f"| {name} | – | | | | {figure.note} |"
            continue
        told = summary(figure.values)
        yield (
            f"| {name} | {number(told.median)} | {number(told.low)} – {number(told.high)} | {told.rounds} "
            f"| {_to_ours(figure, ours) if peer != OURS else ''} | {figure.note} |"
        )


def _rank(figure: Figure) -> tuple[bool, float]:
    return (not figure.values, summary(figure.values).median if figure.values else 0.0)


def _to_ours(figure: Figure, ours: Figure | None) -> str:
    if ours is None or not ours.values or summary(ours.values).median <= 0:
        return ""
    times = ratio(figure.values, ours.values)
    return f"{number(times)}×" if times > 0 else ""


def _amount(figure: Figure | None, row: Row) -> str:
    if figure is None or not figure.values:
        return "–"
    return f"{number(summary(figure.values).median)} {row.unit}".rstrip()


def number(value: float) -> str:
    """Return a figure with as many digits as it deserves."""
    size = abs(value)
    if size == round(size):
        return f"{value:,.0f}"
    steps: Sequence[tuple[float, int]] = ((99.5, 0), (9.95, 1), (0.995, 2))
    digits = next((digits for least, digits in steps if size >= least), 3)
    text = f"{value:,.{digits}f}"
    return text.replace("-", "−")


def table(found: Found, questions: Sequence[Question]) -> str:
    """Return the figures of some questions as text for a terminal."""
    lines = []
    for question in questions:
        for row in question.rows:
            figures = found.figures.get(row.key, {})
            if not figures:
                continue
            lines.append(f"\n{row.key}: {question.title}, {row.title}{f' ({row.unit})' if row.unit else ''}")
            for peer in sorted(figures, key=lambda each: _rank(figures[each])):
                figure = figures[peer]
                shown = "–"
                if figure.values:
                    told = summary(figure.values)
                    spread = f"{number(told.low)} – {number(told.high)}"
                    shown = f"{number(told.median):>9} {spread:>19} {_to_ours(figure, figures.get(OURS)):>8}"
                lines.append(f"  {PEERS[peer].title:<42} {shown}  {figure.note}".rstrip())
    return "\n".join(lines)
