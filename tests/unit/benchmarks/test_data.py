"""The data files of the benchmarks name what there is."""

from __future__ import annotations

import pytest

from benchmarks.lib.goals import demands, goals
from benchmarks.lib.peers import PEERS
from benchmarks.lib.question import Figure
from benchmarks.questions import QUESTIONS

ROWS = {row.key for question in QUESTIONS.values() for row in question.rows}


def test_goals_name_rows_and_peers() -> None:
    """Every part of a goal is a figure that some question measures."""
    parts = [part for goal in goals() for part in goal.parts]

    assert parts
    assert {part.row for part in parts} <= ROWS
    assert {part.peer for part in parts} <= set(PEERS)


def test_demands_name_rows_and_peers() -> None:
    """Every demand compares two peers in a row that some question measures, and says why."""
    wanted = demands()

    assert wanted
    assert {demand.row for demand in wanted} <= ROWS
    assert {peer for demand in wanted for peer in (demand.peer, demand.against)} <= set(PEERS)
    assert all(demand.why and demand.at_least > 0 for demand in wanted)


def test_rows_have_one_key_each() -> None:
    """No two rows share a key, under which figures are kept."""
    keys = [row.key for question in QUESTIONS.values() for row in question.rows]

    assert sorted(keys) == sorted(set(keys))


def test_what_a_peer_lacks_is_said_of_a_peer() -> None:
    """A remark about a peer names one that exists."""
    assert {peer for question in QUESTIONS.values() for peer in question.lacks} <= set(PEERS)


@pytest.mark.parametrize(
    ("values", "met"), [([0.1, 0.2, 9.0], True), ([0.16, 0.17], False), ([], None)], ids=["met", "missed", "unknown"]
)
def test_goal_is_judged_by_the_median(values: list[float], met: bool | None) -> None:
    """A goal is met if the median of every part is within it, and undecided where a part has no figure."""
    goal = next(goal for goal in goals() if goal.parts[0].row == "exit-refused")
    figures = {part.row: {part.peer: Figure([value * 10 for value in values])} for part in goal.parts}
    if met is False:
        figures[goal.parts[1].row] = {goal.parts[1].peer: Figure([3.1])}

    assert goal.met(figures) is met


def test_demand_compares_rounds_of_one_run() -> None:
    """The ratio of a demand is the median of the ratios of each round."""
    demand = demands()[0]
    figures = {demand.row: {demand.peer: Figure([1.0, 2.0, 4.0]), demand.against: Figure([10.0, 60.0, 80.0])}}

    assert demand.found(figures) == 20.0
    assert demand.found({demand.row: {demand.peer: Figure([1.0])}}) is None
