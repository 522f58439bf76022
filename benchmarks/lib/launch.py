"""A program that calls one function, tells how long that took and what memory the process holds, and ends.

    python -m benchmarks.lib.launch MODULE:FUNCTION [ARGUMENT …]

It imports next to nothing before, so that all which the function needs is counted.
"""

import importlib
import sys
import time


def main() -> None:
    """Launch."""
    where, _, name = sys.argv[1].partition(":")
    began, began_working = time.perf_counter(), time.process_time()
    kept = getattr(importlib.import_module(where), name)(*sys.argv[2:])
    taken_ms = (time.perf_counter() - began) * 1000
    worked_ms = (time.process_time() - began_working) * 1000
    from benchmarks.lib.setups import memory_bytes  # noqa: PLC0415 - see above

    sys.stdout.write(f'{{"ms": {taken_ms}, "cpu_ms": {worked_ms}, "mb": {memory_bytes() / 1e6}}}\n')
    sys.stdout.flush()
    del kept


if __name__ == "__main__":
    main()
