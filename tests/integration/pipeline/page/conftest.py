"""Worker processes, and a place of their own for their folders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.pipeline.page.worker import Worker


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where folders of groups are made in this test; workers of one test have one leader, this process."""
    path = tmp_path / "tmp"
    path.mkdir()
    monkeypatch.setenv("TMPDIR", str(path))
    return path


Spawn = Callable[..., Worker]


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Begin workers; end them after the test."""
    made: list[Worker] = []

    def begin(**options: Any) -> Worker:
        made.append(Worker(**options))
        return made[-1]

    yield begin
    for each in made:
        each.kill()
