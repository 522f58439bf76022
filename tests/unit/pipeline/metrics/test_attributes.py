"""What makes two sets of attributes the same series."""

from __future__ import annotations

import enum
import logging
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.metrics._internal._view_instrument_match import _hash_attributes

from capibara_otel.pipeline.metrics.attributes import Labels, clean, identify
from capibara_otel.pipeline.metrics.data import Series
from capibara_otel.pipeline.metrics.table import SeriesTable


class Table(SeriesTable[Series]):
    """A table of bare series."""

    def _make(self, labels: Labels) -> Series:
        return Series(labels)


class Colour(enum.StrEnum):
    """Text that is more than text."""

    RED = "red"


class Level(enum.IntEnum):
    """A number that is more than a number."""

    HIGH = 3


scalars = st.one_of(
    st.text(max_size=2),
    st.booleans(),
    st.integers(-1, 2),
    st.sampled_from([0.0, 1.0, 2.5]),
    st.binary(max_size=1),
    st.none(),
)
nested = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(min_size=1, max_size=1), inner, max_size=2),
    max_leaves=4,
)
sets = st.dictionaries(st.sampled_from(["a", "b", "ключ", "🦫"]), nested, max_size=3)


@settings(deadline=None)
@given(st.lists(sets, min_size=1, max_size=12))
def test_series_are_those_of_the_sdk(given_sets: list[dict[str, Any]]) -> None:
    """Two sets are one series exactly where the official SDK makes one of them, also when they are met again."""
    table = Table(None, 1000)
    found = [table.find(attributes) for attributes in given_sets]
    again = [table.find(dict(reversed(attributes.items()))) for attributes in given_sets]
    assert found == again
    theirs = [_hash_attributes(clean(attributes)) for attributes in given_sets]
    assert [found.index(series) for series in found] == [theirs.index(key) for key in theirs]
    for series, attributes in zip(found, given_sets, strict=True):
        assert series is not None
        assert _hash_attributes(series.attributes) == _hash_attributes(clean(attributes))


def test_types_tell_series_apart() -> None:
    """True, 1 and 1.0 are three series, and text that looks like them is another."""
    table = Table(None, 10)
    series = [table.find({"a": "x", "b": value}) for value in (True, 1, 1.0, "1", "True", None, b"1")]
    assert len(set(series)) == len(series)
    assert [table.find({"b": value, "a": "x"}) for value in (True, 1, 1.0, "1", "True", None, b"1")] == series


def test_what_only_looks_like_a_key_is_another_series() -> None:
    """A sequence is not taken for the key of another sequence."""
    table = Table(None, 10)
    first = table.find({"a": ("x",)})
    assert table.find({"a": ("sequence", (("str", "x"),))}) is not first
    assert table.find({"a": (("sequence", (("str", "x"),)),)}) is not first


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (None, {}),
        ({}, {}),
        ({"a": Colour.RED, "b": Level.HIGH}, {"a": "red", "b": 3}),
        ({"a": [1, [2]]}, {"a": (1, (2,))}),
        ({"a": {"b": Level.HIGH}}, {"a": {"b": 3}}),
        ({"a": Decimal("1.50")}, {"a": "1.50"}),
        ({"": 1, "a": 2}, {"a": 2}),
        ({1: "x"}, {"1": "x"}),
        (MappingProxyType({"a": 1}), {"a": 1}),
        ("no mapping", {}),
        ([("a", 1)], {}),
        (7, {}),
    ],
)
def test_what_is_left_of_attributes(attributes: Any, expected: Mapping[str, Any]) -> None:
    """Attributes are cleaned as the official SDK does; values are of plain types."""
    table = Table(None, 10)
    for _ in range(2):
        series = table.find(attributes)
        assert series is not None
        assert series.attributes == expected
    assert all(type(value) is type(expected[name]) for name, value in clean(attributes).items())


def test_members_of_an_enumeration_are_their_values() -> None:
    """A string enumeration's member and its text are the same series, whichever comes first."""
    for first, second in (("red", Colour.RED), (Colour.RED, "red")):
        table = Table(None, 10)
        assert table.find({"a": first}) is table.find({"a": second})


def test_a_value_that_cannot_be_shown_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """What is no mapping is said, and the measurement is taken without attributes."""
    table = Table(None, 10)
    with caplog.at_level(logging.WARNING):
        assert table.find([1]) is table.find(None)  # type: ignore[arg-type]
    assert "must be a mapping" in caplog.text


def test_changing_the_mapping_afterwards_changes_nothing() -> None:
    """A series keeps what its attributes were."""
    table = Table(None, 10)
    attributes: dict[str, Any] = {"a": ["x"]}
    series = table.find(attributes)
    attributes["a"].append("y")
    attributes["b"] = 1
    assert series is not None
    assert series.attributes == {"a": ("x",)}


def test_only_chosen_attributes_count() -> None:
    """With chosen names, whatever else a set has makes no series, even if it could not be a value."""
    table = Table({"a", "b"}, 10)
    first = table.find({"a": "x", "user": "u1"})
    assert first is table.find({"user": object(), "a": "x"})
    assert first is table.find({"a": "x"})
    assert table.find({"user": "u1"}) is table.find(None)
    assert first is not None
    assert first.attributes == {"a": "x"}


def test_labels_are_a_mapping() -> None:
    """Labels behave as a dict with sorted names."""
    identity = identify({"b": 1, "a": "x"})
    labels = Labels(identity.names, identity.values)
    assert list(labels) == ["a", "b"]
    assert dict(labels) == dict(labels.items()) == {"a": "x", "b": 1}
    assert list(labels.values()) == ["x", 1]
    assert labels["b"] == 1
    assert "c" not in labels
    assert labels.get("c") is None
    assert labels == {"a": "x", "b": 1}
    assert len(labels) == 2
    assert repr(labels) == "{'a': 'x', 'b': 1}"


def test_orders_of_names_take_no_endless_memory() -> None:
    """Endless new names and orders of names are told apart, and not remembered without end."""
    table = Table(None, 5)
    for number in range(1000):
        table.find({f"name{number}": "x", "a": "y"})
        table.find({"a": "y", f"name{number}": number})
    assert len(table.all()) == 5
    assert len(table._orders) <= 100
    assert len(table._families) <= 6
