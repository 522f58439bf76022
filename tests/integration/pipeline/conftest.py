"""Programs for tests, ended with the test that started them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pytest

from tests.integration.pipeline.programs import Program


@pytest.fixture
def program() -> Iterator[Callable[..., Program]]:
    """Start programs; those that still run after the test are killed."""
    running: list[Program] = []

    def run(source: str, env: Mapping[str, str] | None = None, *, is_timed: bool = False) -> Program:
        running.append(Program(source, env or {}, is_timed=is_timed))
        return running[-1]

    yield run
    for each in running:
        if each.process.poll() is None:
            each.process.kill()
            each.process.communicate()
        for stream in (each.process.stdout, each.process.stderr):
            assert stream is not None
            stream.close()
