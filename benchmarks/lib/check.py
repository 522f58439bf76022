"""The short form that CI runs: ratios to plain OpenTelemetry in one run, nothing absolute."""

# ruff: noqa: RUF001 - the sign for times and the dash between two figures are meant

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from benchmarks.lib.goals import Demand, demands
from benchmarks.lib.question import Question, Run


def check(questions: Mapping[str, Question]) -> bool:
    """Measure what is demanded; what misses is measured once more. Print it and tell whether all is met."""
    wanted = demands()
    began = time.monotonic()
    missed = _measured(questions, wanted)
    if missed:
        print(f"once more, for the machine may have been busy: {', '.join(sorted({each.row for each in missed}))}")
        missed = _measured(questions, missed)
    for demand in missed:
        print(
            f"FAILED: {demand.row} of {demand.peer} must cost {demand.at_least:g} times less than {demand.against}: {demand.why}"
        )
    print(f"{len(wanted) - len(missed)} of {len(wanted)} demands met in {time.monotonic() - began:.0f} s")
    return not missed


def _measured(questions: Mapping[str, Question], wanted: Sequence[Demand]) -> list[Demand]:
    run, missed = Run("check", {"bare"}.union(*({demand.peer, demand.against} for demand in wanted))), []
    rows = {demand.row for demand in wanted}
    for question in questions.values():
        if rows & {row.key for row in question.rows}:
            question.measure(run)
    print()
    for demand in wanted:
        found = demand.found(run.figures)
        met = found is not None and found >= demand.at_least
        shown = "not measured" if found is None else f"{found:.1f}×"
        print(
            f"{demand.row:<22} {demand.peer:<17} {shown:>8}  demanded ≥ {demand.at_least:g}×  {'' if met else 'missed'}"
        )
        if not met:
            missed.append(demand)
    return missed
