"""The page and the chart of the benchmarks, from figures that were made up."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks.lib.chart import chart
from benchmarks.lib.goals import goals
from benchmarks.lib.question import Figure
from benchmarks.lib.report import page, table
from benchmarks.lib.store import Found
from benchmarks.questions import QUESTIONS

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def found() -> Found:
    """A run in which every row has figures of ours, of a peer, and of one that could not be measured."""
    figures = {
        row.key: {
            "capibara": Figure([0.1, 0.2, 0.3]),
            "opentelemetry": Figure([2, 4, 6], "a note"),
            "logfire": Figure([], "cannot"),
        }
        for question in QUESTIONS.values()
        for row in question.rows
    }
    return Found(
        "full",
        {"cores": "2", "architecture": "x", "system": "y", "python": "z"},
        {"bench": {"fastapi": "1"}},
        20.4,
        figures,
    )


def test_page_has_all_goals_and_questions(found: Found) -> None:
    """The page judges every goal and has a part for every question, with method and remarks."""
    text = page(found, QUESTIONS)

    assert all(f"| {goal.what} | {goal.goal} |" in text for goal in goals())
    assert all(f"## {question.title}\n\n{question.method}" in text for question in QUESTIONS.values())
    assert "| OpenTelemetry SDK | 4 | 2 – 6 | 3 | 20× | a note |" in text  # noqa: RUF001
    assert "| logfire | – | | | | cannot |" in text  # noqa: RUF001
    assert "2 cores (x), y, z. The run took 20 minutes." in text


def test_page_says_when_figures_are_not_to_be_quoted(found: Found) -> None:
    """A quick run is marked as one."""
    quick = Found("quick", found.machine, found.versions, found.minutes, found.figures)

    assert "not to be quoted" in page(quick, QUESTIONS)
    assert "not to be quoted" not in page(found, QUESTIONS)


def test_what_was_not_measured_is_said(found: Found) -> None:
    """A goal without figures is neither met nor missed, and a question without figures has no part."""
    nothing = Found("full", found.machine, found.versions, 1, {})

    assert page(nothing, QUESTIONS).count("| not measured |") == len(goals())
    assert not any(f"## {question.title}" in page(nothing, QUESTIONS) for question in QUESTIONS.values())


def test_chart_has_a_panel_for_each_figure_that_decides(found: Found) -> None:
    """The chart is well-formed, and each figure that decides a goal has a line at the goal and a bar per peer."""
    drawn = ET.fromstring(chart(found, QUESTIONS))  # noqa: S314 - made here
    rows = {part.row for goal in goals() for part in goal.parts}

    assert len(drawn.findall(f"{SVG}line")) == len(rows)
    assert len(drawn.findall(f"{SVG}rect")) == 1 + 2 * len(rows)


def test_figures_survive_being_kept(found: Found, tmp_path: Path) -> None:
    """The page can be written anew from what a run has kept."""
    found.write(tmp_path / "kept" / "full.json")

    assert Found.read(tmp_path / "kept" / "full.json") == found


def test_terminal_shows_every_peer(found: Found) -> None:
    """The table for a terminal has each peer with its figures or the reason why there are none."""
    (question,) = [QUESTIONS["scrape"]]
    text = table(found, [question])

    assert text.count("capibara-otel") == len(question.rows)
    assert text.count("cannot") == len(question.rows)
