"""For tests of code that uses this library: what it emits, in memory, with a clock and ids that tests decide.

In `conftest.py`::

    pytest_plugins = ["capibara_otel.testing"]

and in a test::

    def test_search_is_observed(capture):
        answer("how do I open a file?")

        assert capture.attributes("rag search docs")["capibara6.rag.results"] == 3
        assert capture.value("capibara6.rag.searches") == 1
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from capibara_otel.testing.capture import Capture
from capibara_otel.testing.clock import START_NS, FakeClock, SequentialIds

__all__ = ["START_NS", "Capture", "FakeClock", "SequentialIds"]


@pytest.fixture(name="capture")
def _capture() -> Iterator[Capture]:
    """Everything the default instance emits in this test."""
    with Capture() as capture:
        yield capture
