"""The goals and the demands, from their data files, and how they are judged."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.lib.peers import OURS
from benchmarks.lib.question import Figure
from benchmarks.lib.stats import ratio, summary

_HERE: Final = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Part:
    """One figure that decides a goal."""

    row: str
    most: float
    peer: str = OURS


@dataclass(frozen=True, slots=True)
class Goal:
    """One goal."""

    what: str
    goal: str
    parts: tuple[Part, ...]
    remark: str = ""
    """Said beneath the goals, such as which part costs what where a goal is missed."""

    def met(self, figures: Mapping[str, Mapping[str, Figure]]) -> bool | None:
        """Tell whether every part is met; None where one was not measured."""
        judged = []
        for part in self.parts:
            figure = figures.get(part.row, {}).get(part.peer)
            if figure is None or not figure.values:
                return None
            judged.append(summary(figure.values).median <= part.most)
        return all(judged)


@dataclass(frozen=True, slots=True)
class Demand:
    """How many times our cost a peer's must be."""

    row: str
    peer: str
    against: str
    at_least: float
    why: str

    def found(self, figures: Mapping[str, Mapping[str, Figure]]) -> float | None:
        """Return the ratio in a run; None where one of both was not measured."""
        row = figures.get(self.row, {})
        ours, theirs = row.get(self.peer), row.get(self.against)
        if ours is None or theirs is None or not ours.values or not theirs.values:
            return None
        return ratio(theirs.values, ours.values)


def goals() -> list[Goal]:
    """Read the goals."""
    read = tomllib.loads((_HERE / "goals.toml").read_text("utf-8"))
    return [
        Goal(each["what"], each["goal"], tuple(Part(**part) for part in each["parts"]), each.get("remark", ""))
        for each in read["goal"]
    ]


def demands() -> list[Demand]:
    """Read the demands."""
    read = tomllib.loads((_HERE / "thresholds.toml").read_text("utf-8"))
    return [Demand(**each) for each in read["demand"]]
