"""Figures of the benchmarks: medians, ratios, turns, and how they are shown."""

from __future__ import annotations

import pytest

from benchmarks.lib.question import rounds_of, take_turns
from benchmarks.lib.report import number
from benchmarks.lib.stats import percentile, ratio, summary


def test_summary_has_median_and_quartiles() -> None:
    """Many rounds are told by median and quartiles, few by median and ends."""
    many, few = summary([1, 2, 3, 4, 5, 6, 7]), summary([3, 1, 2])

    assert (many.median, many.low, many.high, many.rounds) == (4, 2, 6, 7)
    assert (few.median, few.low, few.high, few.rounds) == (2, 1, 3, 3)


def test_ratio_is_that_of_the_medians_where_a_round_is_not_above_zero() -> None:
    """A difference that was nothing in a round does not make the ratio senseless."""
    assert ratio([10.0, 20.0], [1.0, 4.0]) == 7.5
    assert ratio([10.0, 10.0, 10.0], [0.0, 2.0, 2.0]) == 5.0
    assert ratio([10.0], [0.0]) == float("inf")


def test_percentile_is_a_value_that_was_measured() -> None:
    """A percentile is the nearest rank."""
    values = [float(value) for value in range(1, 101)]

    assert percentile(values, 50) == 51
    assert percentile(values, 99) == 100
    assert percentile([7.0], 99) == 7


def test_every_peer_begins_a_round() -> None:
    """Each round has every peer once, and begins with another one."""
    rounds = list(rounds_of(["a", "b", "c"], 3))

    assert rounds == [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"]]
    assert list(take_turns(["a", "b"], 2)) == ["a", "b", "b", "a"]
    assert list(take_turns([], 2)) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (50, "50"), (0.0719, "0.072"), (1.234, "1.23"), (12.34, "12.3"), (1659.4, "1,659"), (-2.5, "−2.50")],  # noqa: RUF001
)
def test_figures_have_three_digits(value: float, text: str) -> None:
    """A figure is shown with as many digits as it deserves."""
    assert number(value) == text
