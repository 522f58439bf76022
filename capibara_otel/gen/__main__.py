"""`python -m capibara_otel.gen`: write the generated files, or with `--check` say which ones differ."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from capibara_otel.gen.files import generated, stale
from capibara_otel.registry import check, load

ROOT: Final = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None) -> int:
    """Write or compare the generated files.

    Returns:
        0 when all is well, 1 when the registry has findings or, with `--check`, a file differs.
    """
    parser = argparse.ArgumentParser(prog="python -m capibara_otel.gen", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout (default: this one)")
    options = parser.parse_args(arguments)
    registry = load()
    findings = check(registry)
    for finding in findings:
        sys.stderr.write(f"{finding}\n")
    if findings:
        return 1
    files = generated(registry)
    if options.check:
        differing = stale(files, options.root)
        for path in differing:
            sys.stderr.write(f"{path} is out of date: run `make gen` and commit the result\n")
        return 1 if differing else 0
    for path, text in files.items():
        target = options.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    sys.stdout.write(
        f"{len(files)} files written from {len(registry.metrics)} metrics, {len(registry.attributes)} attributes, {len(registry.spans)} spans\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
