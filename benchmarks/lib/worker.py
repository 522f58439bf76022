"""The program in a peer's process: sets the peer up, then does what it is asked, one JSON line each.

    python -m benchmarks.lib.worker MODULE:FUNCTION '{"argument": "of the function"}'

The function returns its rooms for questions: a mapping of names to functions. What the peer prints goes nowhere.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

from benchmarks.lib.answers import Answers, UnavailableError


def main() -> None:
    """Serve until the other end closes."""
    pipe = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    where, _, name = sys.argv[1].partition(":")

    def tell(kind: str, value: Any) -> None:
        pipe.write(json.dumps({kind: value}) + "\n")

    kind, made = _try(lambda: getattr(importlib.import_module(where), name)(**json.loads(sys.argv[2])))
    tell(kind, None if kind == "answer" else made)
    if kind != "answer":
        return
    answers: Answers = made
    for line in sys.stdin:
        asked = json.loads(line)
        tell(*_try(functools.partial(answers[asked["ask"]], **asked["with"])))


def _try(work: Callable[[], Any]) -> tuple[str, Any]:
    try:
        return "answer", work()
    except UnavailableError as missing:
        return "unavailable", str(missing)
    except Exception:  # noqa: BLE001 - told to the one who asked
        return "fault", traceback.format_exc()


if __name__ == "__main__":
    main()
