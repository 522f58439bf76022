"""Which files are generated, and by what."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from capibara_otel.gen import code, reference
from capibara_otel.registry import Registry


def generated(registry: Registry) -> Mapping[str, str]:
    """Return the text of every generated file by its path from the checkout's root."""
    return {
        "capibara_otel/semconv/attributes.py": code.attributes(registry),
        "capibara_otel/semconv/metrics.py": code.metrics(registry),
        "capibara_otel/semconv/spans.py": code.spans(registry),
        "docs/reference/attributes.md": reference.attributes(registry),
        "docs/reference/cli.md": reference.command_line(),
        "docs/reference/metrics.md": reference.metrics(registry),
        "docs/reference/settings.md": reference.settings(),
        "docs/reference/spans.md": reference.spans(registry),
    }


def stale(files: Mapping[str, str], root: Path) -> list[str]:
    """Return the paths whose file is missing or differs."""
    return [
        path
        for path, text in files.items()
        if not (root / path).is_file() or (root / path).read_text(encoding="utf-8") != text
    ]
