"""Runs the benchmarks.

python -m benchmarks                  all questions; writes docs/benchmarks.md and docs/benchmarks.svg
python -m benchmarks --quick          a look in two minutes; writes into .bench/
python -m benchmarks --only request   one question, printed
python -m benchmarks --check          the short form for CI
python -m benchmarks --page           write the page anew from the last full run
python -m benchmarks --list           the questions
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from pathlib import Path

from benchmarks.lib.chart import chart
from benchmarks.lib.check import check
from benchmarks.lib.environments import HOME, ROOT
from benchmarks.lib.question import Run
from benchmarks.lib.report import page, table
from benchmarks.lib.store import Found
from benchmarks.questions import QUESTIONS


def main() -> int:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What observability costs.")
    parser.add_argument("--list", action="store_true", help="list the questions")
    parser.add_argument("--only", metavar="NAME", action="append", choices=list(QUESTIONS), help="answer this one")
    parser.add_argument("--quick", action="store_true", help="few rounds, small samples")
    parser.add_argument("--check", action="store_true", help="demand ratios to plain OpenTelemetry")
    parser.add_argument("--page", action="store_true", help="write the page anew from the last full run")
    chosen = parser.parse_args()
    if chosen.list:
        print("\n".join(f"{key:<11} {question.title}" for key, question in QUESTIONS.items()))
        return 0
    if chosen.check:
        return 0 if check(QUESTIONS) else 1
    if chosen.page:
        _write(Found.read(_kept(is_quick=chosen.quick)))
        return 0
    return _measure(chosen.only or list(QUESTIONS), is_all=not chosen.only, is_quick=chosen.quick)


def _measure(keys: list[str], *, is_all: bool, is_quick: bool) -> int:
    run = Run("quick" if is_quick else "full")
    began = time.monotonic()
    failed = []
    for key in keys:
        started = time.monotonic()
        sys.stderr.write(f"{key} ")
        try:
            QUESTIONS[key].measure(run)
        except Exception:  # noqa: BLE001 - the other questions are answered all the same; the end tells
            failed.append(key)
            traceback.print_exc()
        sys.stderr.write(f" {time.monotonic() - started:.0f} s\n")
    found = Found.of(run, time.monotonic() - began)
    print(table(found, [QUESTIONS[key] for key in keys]))
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    elif is_all:
        found.write(_kept(is_quick=is_quick))
        _write(found)
    return 1 if failed else 0


def _kept(*, is_quick: bool) -> Path:
    return HOME / ("quick.json" if is_quick else "full.json")


def _write(found: Found) -> None:
    folder = ROOT / "docs" if found.size == "full" else HOME
    (folder / "benchmarks.md").write_text(page(found, QUESTIONS), "utf-8")
    (folder / "benchmarks.svg").write_text(chart(found, QUESTIONS), "utf-8")
    print(f"\nwritten: {folder.name}/benchmarks.md and {folder.name}/benchmarks.svg")


if __name__ == "__main__":
    sys.exit(main())
