"""The quick judgement of values says nothing that the long one would not say."""

from __future__ import annotations

import math
from enum import Enum, StrEnum
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capibara_otel.operation.values import QUICK, InvalidValueError, attribute_value, metric_value
from capibara_otel.semconv import attributes as a
from capibara_otel.semconv.attributes import ATTRIBUTES
from capibara_otel.semconv.metrics import METRICS
from capibara_otel.semconv.specs import AttributeSpec, MetricSpec


class _Language(StrEnum):
    PYTHON = "python"


class _Plain(Enum):
    PYTHON = "python"


_NUMBERS: st.SearchStrategy[Any] = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(),
    st.fractions(),
    st.sampled_from([2**63, 2**63 - 1, -(2**63), -(2**63) - 1, 2.0**63, -(2.0**63), math.nan, math.inf, -math.inf]),
    st.sampled_from([0, 1, 2, 5, 100, 255, 599, 65535, 0.0, 1.0, 5.0, -0.0]),
)
_VALUES: st.SearchStrategy[Any] = st.one_of(
    _NUMBERS,
    st.text(),
    st.binary(),
    st.none(),
    st.sampled_from([word for spec in ATTRIBUTES.values() for word in spec.members]),
    st.sampled_from([_Language.PYTHON, _Plain.PYTHON, "\ud800", [], ["a"], {"a": 1}, object()]),
)


def _long_way(spec: AttributeSpec, value: object) -> object:
    try:
        return attribute_value(spec, value)
    except InvalidValueError:
        return None


@given(st.sampled_from(list(ATTRIBUTES.values())), _VALUES)
def test_what_is_told_quickly_is_what_the_long_way_says(spec: AttributeSpec, value: object) -> None:
    """A value that is given back at once is the very one, of the very type, that the specification's rules give."""
    quickly = QUICK[spec.name](value)

    if quickly is not None:
        judged = _long_way(spec, value)
        assert type(quickly) is type(judged)
        assert quickly == judged


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        (a.RAG_INDEX, "docs"),
        (a.RAG_INDEX, "búsqueda"),
        (a.E2B_LANGUAGE, "python"),
        (a.RAG_TOP_K, 8),
        (a.RAG_HIT, True),
        (a.RAG_HIT, False),
        (a.RAG_RELEVANCE_BEST, 0.5),
        (a.RAG_RELEVANCE_BEST, 1.0),
        (a.E2B_EXIT_CODE, -9),
    ],
)
def test_usual_values_are_told_quickly(attribute: str, value: object) -> None:
    """Right values of the usual types need no long way."""
    assert QUICK[attribute](value) is value


def test_every_attribute_has_a_quick_judge() -> None:
    """Also those whose values always go the long way: contents, lists and templates."""
    assert QUICK.keys() == ATTRIBUTES.keys()
    assert QUICK[a.RAG_QUERY]("a question") is None
    assert QUICK[a.ROUTING_ALTERNATIVES](["m"]) is None
    assert QUICK[a.HTTP_REQUEST_HEADER]("x") is None


@given(st.sampled_from(METRICS), _NUMBERS)
def test_measurements_are_finite_numbers_within_bounds(spec: MetricSpec, value: Any) -> None:
    """A measurement is taken if it is a finite number of 64 bits within the metric's bounds, and nothing else is."""
    whole = isinstance(value, int)
    finite = abs(value) < 2**63 + (value < 0) if whole else math.isfinite(value)
    within = (
        finite and (spec.minimum is None or value >= spec.minimum) and (spec.maximum is None or value <= spec.maximum)
    )
    if isinstance(value, bool) or not within:
        with pytest.raises(InvalidValueError):
            metric_value(spec, value)
    else:
        taken = metric_value(spec, value)
        assert type(taken) is (int if whole else float)
        assert taken == (float(value) if isinstance(value, Fraction) else value)
