"""Which format a reader gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capibara_otel.pipeline.page.accept import OPENMETRICS, TEXT, TEXT_1, Format, choose, takes_gzip

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_2_NATIVE = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6," + PROMETHEUS_2
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_3_TEXT = (
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,"
    "application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.4,*/*;q=0.3"
)


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, TEXT),
        ("", TEXT),
        ("*/*", TEXT),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", TEXT),
        ("text/plain", TEXT),
        ("text/plain;version=0.0.4", TEXT),
        ("text/plain;version=1.0.0;escaping=underscores", TEXT_1),
        ("application/openmetrics-text", OPENMETRICS),
        ("application/openmetrics-text;version=1.0.0", OPENMETRICS),
        ("Application/OpenMetrics-Text; Version=1.0.0; Charset=UTF-8", OPENMETRICS),
        ('application/openmetrics-text; version="1.0.0"', OPENMETRICS),
        (PROMETHEUS_2, OPENMETRICS),
        (PROMETHEUS_2_NATIVE, OPENMETRICS),
        (PROMETHEUS_3, OPENMETRICS),
        (PROMETHEUS_3_TEXT, TEXT_1),
    ],
)
def test_what_readers_really_ask_for(accept: str | None, chosen: Format) -> None:
    """Prometheus of either version, curl and browsers get what they like best of what there is."""
    assert choose(accept) == chosen


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("application/openmetrics-text;version=1.0.0;q=0.2,text/plain;q=0.3", TEXT),
        ("text/plain;q=0.2,application/openmetrics-text;q=0.3", OPENMETRICS),
        ("text/plain;q=0,application/openmetrics-text;q=0.001", OPENMETRICS),
        ("application/openmetrics-text;q=0", TEXT),
        ("application/openmetrics-text,text/plain", OPENMETRICS),
        ("text/plain,application/openmetrics-text", TEXT),
    ],
)
def test_weights_decide_not_the_order(accept: str, chosen: Format) -> None:
    """The heaviest is taken, what weighs nothing never, and of equals the first."""
    assert choose(accept) == chosen


@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text;version=nonsense",
        "application/openmetrics-text;version=0.0.1",
        "application/openmetrics-text;version=2.0.0",
        "application/openmetrics-text;q=much",
        "application/openmetrics-text;q=nan",
        "application/openmetrics-text;q=2",
        "application/openmetrics-text;q=-1",
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
        ";;;,,,===",
        "," * 10_000,
    ],
)
def test_what_is_wrong_or_not_there_falls_back_to_text(accept: str) -> None:
    """A reader that asks for what there is not gets the format that all can read."""
    assert choose(accept) == TEXT


@given(st.text())
def test_no_header_is_a_fault(header: str) -> None:
    """Whatever the headers say, there is an answer."""
    assert choose(header) in {TEXT, TEXT_1, OPENMETRICS}
    assert takes_gzip(header) in {True, False}


@pytest.mark.parametrize(
    ("header", "takes"),
    [
        (None, False),
        ("", False),
        ("identity", False),
        ("gzip", True),
        ("GZIP", True),
        ("br, gzip;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip;q=0.0, *", False),
        ("x-gzip-not", False),
    ],
)
def test_gzip_only_where_it_is_accepted(header: str | None, takes: bool) -> None:
    """A weight of zero refuses it."""
    assert takes_gzip(header) is takes
