"""What every test gets: the public test kit, and the proof that nothing was left open."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry import context, trace

from capibara_otel.sdk import DEFAULT

pytest_plugins = ["capibara_otel.testing"]


@pytest.fixture(autouse=True)
def _nothing_left_open() -> Iterator[None]:
    """After every test no operation is current and no span is."""
    before = context.get_current()
    yield
    DEFAULT.emitter.reaper.drain()
    assert DEFAULT.current() is None
    assert context.get_current() == before
    assert trace.get_current_span() is trace.INVALID_SPAN
