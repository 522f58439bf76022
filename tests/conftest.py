"""What every test gets: the public test kit, and the proof that nothing was left open."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from opentelemetry import context, trace

from capibara_otel.sdk import DEFAULT

pytest_plugins = ["capibara_otel.testing"]

# How fast something is, is not for tests to say: machines differ, and coverage slows them down.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

TOOLS = Path(__file__).resolve().parents[1] / ".tools"
NEEDED = {
    "tools": (TOOLS / "promtool", "promtool was not built: install Go and run `make tools`"),
    "suites": (TOOLS / "suites" / ".ready", "the published test suites were not fetched: run `make suites`"),
}
"""What a marked test needs, and what to do where it is missing."""
PROMTOOL = NEEDED["tools"][0]


@pytest.fixture(autouse=True)
def _nothing_left_open() -> Iterator[None]:
    """After every test no operation is current and no span is."""
    before = context.get_current()
    yield
    DEFAULT.emitter.reaper.drain()
    assert DEFAULT.current() is None
    assert context.get_current() == before
    assert trace.get_current_span() is trace.INVALID_SPAN


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs something that is missing here, unless everything is demanded."""
    if os.environ.get("DEMAND_ALL"):
        return
    for marker, (path, reason) in NEEDED.items():
        if path.is_file():
            continue
        for item in items:
            if marker in item.keywords:
                item.add_marker(pytest.mark.skip(reason=reason))
