"""How much a span may hold, as the environment says."""

from __future__ import annotations

import os
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import SpanLimits as OfficialLimits

from capibara_otel.pipeline.traces.limits import SpanLimits
from tests.unit.pipeline.traces.programs import own_limits

_NAMES = {
    "OTEL_ATTRIBUTE_COUNT_LIMIT": None,
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": None,
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "max_span_attributes",
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": "max_span_attribute_length",
    "OTEL_SPAN_EVENT_COUNT_LIMIT": "max_events",
    "OTEL_SPAN_LINK_COUNT_LIMIT": "max_links",
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT": "max_event_attributes",
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT": "max_link_attributes",
    "": "max_attribute_length",
}


@given(
    environ=st.dictionaries(st.sampled_from(sorted(set(_NAMES) - {""})), st.sampled_from(["", " ", "0", "7", " 300 "]))
)
def test_the_environment_is_read_as_by_the_sdk(environ: dict[str, str]) -> None:
    """Special limits, general ones, empty ones and none give what the SDK reads."""
    with patch.dict(os.environ, environ):
        official = OfficialLimits()
    limits = {name: getattr(official, name) for name in _NAMES.values() if name is not None}

    assert SpanLimits.read(environ) == own_limits(
        {name: OfficialLimits.UNSET if limit is None else limit for name, limit in limits.items()}
    )


@pytest.mark.parametrize("text", ["-1", "many", "1.5"])
def test_a_limit_that_is_none_is_refused(text: str) -> None:
    """The message names the variable and what it holds."""
    with pytest.raises(ValueError, match=f"OTEL_SPAN_LINK_COUNT_LIMIT must be a non-negative integer but got {text}"):
        SpanLimits.read({"OTEL_SPAN_LINK_COUNT_LIMIT": text})
