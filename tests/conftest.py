"""What every test gets: the public test kit, and the proof that nothing was left open."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry import context, trace

from capibara_otel.sdk import DEFAULT

pytest_plugins = ["capibara_otel.testing"]

PROMTOOL = Path(__file__).resolve().parents[1] / ".tools" / "promtool"


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
    """Skip what needs promtool where it was not built, unless everything is demanded."""
    if PROMTOOL.is_file() or os.environ.get("DEMAND_ALL"):
        return
    skip = pytest.mark.skip(reason="promtool was not built: install Go and run `make tools`")
    for item in items:
        if "tools" in item.keywords:
            item.add_marker(skip)
