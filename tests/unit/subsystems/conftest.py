"""Every test of a subsystem has an instance of its own: hit rates and what was said once belong to an instance."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from capibara_otel.sdk import Capibara
from capibara_otel.testing import Capture


@pytest.fixture(name="cap")
def _cap() -> Capibara:
    """An instance that nobody else uses."""
    return Capibara()


@pytest.fixture(name="capture")
def _capture(cap: Capibara) -> Iterator[Capture]:
    """Everything that instance emits."""
    with Capture(cap) as capture:
        yield capture


@pytest.fixture(name="quiet")
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """As outside of tests: faults are not raised."""
    monkeypatch.setenv("CAPIBARA_RAISE", "0")
