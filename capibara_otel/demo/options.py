"""What a run of the demo is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """Options of one run."""

    seconds: float = 30.0
    """How long the traffic lasts."""
    users: int = 8
    """Users at a time."""
    seed: int = 7
    """Decides traffic, times and faults."""
    docs: Path | None = None
    """A user's own texts."""
    port: int = 8000
    """Port of the backend; another one is taken when it is in use."""
    keep: bool = False
    """Stay up afterwards."""
    otlp: str = ""
    """Address of a Collector."""
    as_json: bool = False
    """Print the summary as JSON and nothing else."""
