"""What a run has found, kept as JSON so that the page can be written anew without measuring."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from benchmarks.lib.environments import machine
from benchmarks.lib.question import Figure, Run


@dataclass(frozen=True, slots=True)
class Found:
    """The outcome of a run."""

    size: str
    machine: dict[str, str]
    versions: dict[str, dict[str, str]]
    minutes: float
    figures: dict[str, dict[str, Figure]]

    @classmethod
    def of(cls, run: Run, seconds: float) -> Self:
        """Return what a run has found."""
        return cls(run.size, machine(), run.environments.versions(), seconds / 60, run.figures)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what was written."""
        kept: dict[str, Any] = json.loads(path.read_text("utf-8"))
        rows = kept.pop("figures").items()
        figures = {row: {peer: Figure(**figure) for peer, figure in peers.items()} for row, peers in rows}
        return cls(**kept, figures=figures)

    def write(self, path: Path) -> None:
        """Write it."""
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", "utf-8")
