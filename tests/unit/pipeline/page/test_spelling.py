"""How names, labels and numbers are written."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.prometheus._mapping import sanitize_attribute
from prometheus_client.utils import floatToGoString

from capibara_otel.pipeline.page import spelling
from tests.unit.pipeline.page.made import exemplar


@given(st.text(min_size=1))
def test_labels_are_named_as_the_official_exporter_names_them(attribute: str) -> None:
    """The page of the own pipeline and that of the official one have the same labels."""
    assert spelling.label_name(attribute) == sanitize_attribute(attribute)


@pytest.mark.parametrize(
    ("attributes", "written"),
    [
        ({}, ""),
        ({"b": "y", "a": "x"}, '{a="x",b="y"}'),
        ({"http.route": "/a", "4xx.class": True}, '{_xx_class="true",http_route="/a"}'),
        ({"n": 1, "f": 1.5, "l": ("a", 'b"')}, r'{f="1.5",l="[\"a\", \"b\\\"\"]",n="1"}'),
        ({"a": 'quote " back \\ line \n'}, r'{a="quote \" back \\ line \n"}'),
        ({"a": "\0"}, '{a="\ufffd"}'),
        ({"a": "\ud800"}, '{a="?"}'),
        ({"a": "ü\u2028\U0001f600"}, '{a="ü\u2028\U0001f600"}'),
        ({"a": "", "b": "x"}, '{b="x"}'),
        ({"a": ""}, ""),
        ({"": "x"}, '{_="x"}'),
    ],
)
def test_labels(attributes: dict[str, object], written: str) -> None:
    """Labels stand in order, escaped; what is empty is not there; what is no text is JSON."""
    assert spelling.labels_of(attributes) == written


def test_attributes_that_become_one_label_are_joined() -> None:
    """Two attributes of one label are joined by a semicolon, in the order of their names."""
    assert spelling.labels_of({"a_b": "2", "a.b": "1", "a-b": "0"}) == '{a_b="0;1;2"}'


def test_a_label_with_another_meaning_is_left_out() -> None:
    """A histogram's attribute must not stand where the bucket's bound does."""
    assert spelling.labels_of({"le": "x", "a": "y"}, but="le") == '{a="y"}'


def test_a_resource_keeps_its_leading_digits() -> None:
    """The labels of `target_info` are those they have always been."""
    assert spelling.info_labels({"service.name": "mine", "1st": "a", "n": 3, "a.b": "x", "a_b": "y"}) == {
        "service_name": "mine",
        "_1st": "a",
        "n": "3",
        "a_b": "x;y",
    }


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (3, "3.0"),
        (0.005, "0.005"),
        (1e-7, "1e-07"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
        (10**400, "+Inf"),
        (-(10**400), "-Inf"),
    ],
)
def test_numbers(value: float, written: str) -> None:
    """Whole numbers have a point, and what is no number has the words of Prometheus."""
    assert spelling.number(value) == written
    assert spelling.numbers([1, value]) == ["1.0", written]


@given(st.floats())
def test_bounds_are_written_as_clients_of_prometheus_write_them(value: float) -> None:
    """A bound's text is the one that prometheus_client has, for it is part of the series' name."""
    assert spelling.bound(value) == floatToGoString(value)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    ("value", "written"), [(1, "1.0"), (0.005, "0.005"), (10**6, "1e+06"), (4194304, "4.194304e+06")]
)
def test_known_bounds(value: float, written: str) -> None:
    """Known bounds have known texts."""
    assert spelling.bound(value) == written


def test_a_help_text_escapes_quotes_in_openmetrics_only() -> None:
    """Each format has its own rule for quotes."""
    assert spelling.help_text('a "b" \\ \n', openmetrics=True) == r"a \"b\" \\ \n"
    assert spelling.help_text('a "b" \\ \n', openmetrics=False) == r'a "b" \\ \n'


def test_an_exemplar() -> None:
    """An exemplar names its trace and its span, its value and its time."""
    written = spelling.exemplar(exemplar(0.25, trace=255))
    assert written == f' # {{trace_id="{255:032x}",span_id="{255:016x}"}} 0.25 1700000000.500'


def test_an_exemplar_outside_a_trace() -> None:
    """Without a trace there is only what was measured."""
    assert spelling.exemplar(exemplar(2, trace=0)) == " # {} 2.0 1700000000.500"
    assert spelling.exemplar(exemplar(2, 0, {"user": "me"})) == ' # {user="me"} 2.0 1700000000.500'


@pytest.mark.parametrize(("length", "is_there"), [(61, True), (62, False)])
def test_what_an_exemplar_carries_fits_or_is_left_out(length: int, is_there: bool) -> None:
    """Names and values of an exemplar's labels have 128 characters at most; trace and span always stay."""
    written = spelling.exemplar(exemplar(1, 1, {"user": "ü" * length}))
    assert ('user="' in written) is is_there
    assert 'trace_id="' in written


def test_an_exemplar_has_each_label_once() -> None:
    """An attribute that calls itself like the trace does not stand beside it."""
    assert spelling.exemplar(exemplar(1, 1, {"trace_id": "x"})).count("trace_id") == 1
