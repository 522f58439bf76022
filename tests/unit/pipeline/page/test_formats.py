"""What stands on a page, read by the parsers of others."""

from __future__ import annotations

import math
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capibara_otel.pipeline.metrics.data import Metric
from tests.conftest import PROMTOOL
from tests.unit.pipeline.page.made import (
    OPENMETRICS,
    counter,
    exemplar,
    families,
    metric,
    number,
    page,
    samples,
    timed,
)


def test_a_page_of_everything() -> None:
    """The whole page in the text format, line for line."""
    written = page(
        counter("app.work.done", number(7, {"kind": "a"}), number(1.5, {"kind": "b"}), unit="{item}", text="Done."),
        metric("sum", "app.active", number(-2), text=""),
        metric("gauge", "app.level", number(math.inf), unit="By"),
        metric("histogram", "app.time", timed([1, 0, 2], labels={"kind": "a"}), unit="s"),
        resource={"service.name": "mine"},
    )
    assert written.splitlines() == [
        "# HELP app_work_done_total Done.",
        "# TYPE app_work_done_total counter",
        'app_work_done_total{kind="a"} 7.0',
        'app_work_done_total{kind="b"} 1.5',
        "# TYPE app_active gauge",
        "app_active -2.0",
        "# HELP app_level_bytes A text.",
        "# TYPE app_level_bytes gauge",
        "app_level_bytes +Inf",
        "# HELP app_time_seconds A text.",
        "# TYPE app_time_seconds histogram",
        'app_time_seconds_bucket{kind="a",le="0.1"} 1.0',
        'app_time_seconds_bucket{kind="a",le="1.0"} 1.0',
        'app_time_seconds_bucket{kind="a",le="+Inf"} 3.0',
        'app_time_seconds_count{kind="a"} 3.0',
        'app_time_seconds_sum{kind="a"} 1.5',
        "# HELP target_info Target metadata",
        "# TYPE target_info gauge",
        'target_info{service_name="mine"} 1.0',
    ]


def test_a_page_of_everything_in_openmetrics() -> None:
    """The same in OpenMetrics, with units, exemplars and an end."""
    written = page(
        counter("app.read", number(7, {}, exemplar(2, 10)), unit="By", text='Say "read".'),
        metric("gauge", "app.share", number(0.5), unit="1"),
        metric("histogram", "app.time", timed([1, 0, 2], (0.1, 1.0), {}, exemplar(0.1, 11), exemplar(5, 12)), unit="s"),
        resource={"service.name": "mine"},
        accept=OPENMETRICS,
    )
    assert written.splitlines() == [
        r"# HELP app_read_bytes Say \"read\".",
        "# TYPE app_read_bytes counter",
        "# UNIT app_read_bytes bytes",
        f'app_read_bytes_total 7.0 # {{trace_id="{10:032x}",span_id="{10:016x}"}} 2.0 1700000000.500',
        "# HELP app_share_ratio A text.",
        "# TYPE app_share_ratio gauge",
        "# UNIT app_share_ratio ratio",
        "app_share_ratio 0.5",
        "# HELP app_time_seconds A text.",
        "# TYPE app_time_seconds histogram",
        "# UNIT app_time_seconds seconds",
        f'app_time_seconds_bucket{{le="0.1"}} 1.0 # {{trace_id="{11:032x}",span_id="{11:016x}"}} 0.1 1700000000.500',
        'app_time_seconds_bucket{le="1.0"} 1.0',
        f'app_time_seconds_bucket{{le="+Inf"}} 3.0 # {{trace_id="{12:032x}",span_id="{12:016x}"}} 5.0 1700000000.500',
        "app_time_seconds_count 3.0",
        "app_time_seconds_sum 1.5",
        "# HELP target Target metadata",
        "# TYPE target info",
        'target_info{service_name="mine"} 1.0',
        "# EOF",
    ]


def test_exemplars_are_read_as_they_were_made() -> None:
    """A parser finds the trace, the value and the time again."""
    written = page(counter("work", number(7, {}, exemplar(2, 10))), accept=OPENMETRICS)
    (found,) = (sample.exemplar for sample in samples(written) if sample.name == "work_total")
    assert found is not None
    assert found.labels == {"trace_id": f"{10:032x}", "span_id": f"{10:016x}"}
    assert (found.value, float(found.timestamp or 0)) == (2.0, 1_700_000_000.5)


def test_of_several_exemplars_the_newest_is_shown() -> None:
    """A sample has one exemplar: the one that was measured last."""
    point = number(7, {}, exemplar(1, 1, at_ns=5), exemplar(2, 2, at_ns=7), exemplar(3, 3, at_ns=6))
    (found,) = (sample.exemplar for sample in samples(page(counter("work", point), accept=OPENMETRICS)))
    assert found is not None
    assert found.value == 2.0


@pytest.mark.parametrize("kind", ["gauge", "sum"])
def test_what_may_fall_has_no_exemplars(kind: Any) -> None:
    """OpenMetrics has exemplars on counters and buckets only."""
    written = page(metric(kind, "level", number(7, {}, exemplar(2))), accept=OPENMETRICS)
    assert "level 7.0\n" in written


def test_negative_buckets_have_no_sum() -> None:
    """A sum that may fall is no counter, and OpenMetrics refuses it beside negative buckets."""
    written = page(metric("histogram", "change", timed([1, 2], (-1.0,))), accept=OPENMETRICS)
    assert {sample.name for sample in samples(written)} == {"change_bucket"}


def test_a_unit_that_is_not_the_end_of_the_name_is_not_said() -> None:
    """OpenMetrics takes a unit only where the name ends with it."""
    assert "# UNIT" not in page(counter("bytes.read", number(1), unit="By"), accept=OPENMETRICS)


def test_a_counter_that_is_called_total() -> None:
    """The name that is nothing but the suffix gets the suffix."""
    assert {sample.name for sample in samples(page(counter("total", number(1)), accept=OPENMETRICS))} == {"total_total"}


_names = st.text(min_size=1, max_size=12)
_labels = st.dictionaries(_names, st.text(max_size=8) | st.integers() | st.booleans() | st.floats(), max_size=4)
_units = st.sampled_from(["", "1", "s", "By", "By/s", "{item}", "%", "ü/é", "a b", "{", "x/", "/s"]) | st.text(
    max_size=6
)
_amounts = st.integers(0, 2**70) | st.floats(0, allow_nan=False, allow_infinity=False)
_numbers = st.integers(-(2**70), 2**70) | st.floats()
# The parser of prometheus_client loses its way at an escaped quote in an exemplar; that of Prometheus does not.
_unquoted = st.text(st.characters(exclude_characters='"'))


@st.composite
def _exemplars(draw: st.DrawFn) -> Any:
    value = draw(st.integers(0, 9) | st.floats(0, 9))
    trace, attributes = draw(st.integers(0, 2**64 - 1)), draw(st.dictionaries(st.text(), _unquoted, max_size=2))
    return exemplar(value, trace, attributes)


@st.composite
def _histograms(draw: st.DrawFn, bounds: list[float]) -> Any:
    size = len(bounds) + 1
    counts = draw(st.lists(st.integers(0, 2**40), min_size=size, max_size=size))
    return timed(
        counts, bounds, draw(_labels), *draw(st.lists(_exemplars(), max_size=3)), total=draw(st.floats(0, 1e9))
    )


@st.composite
def _metrics(draw: st.DrawFn) -> Metric:
    name, unit, text = draw(_names), draw(_units), draw(st.text(max_size=20))
    kind: Any = draw(st.sampled_from(["counter", "sum", "gauge", "histogram"]))
    if kind == "counter":
        points = [
            number(draw(_amounts), draw(_labels), *draw(st.lists(_exemplars(), max_size=2)))
            for _ in range(draw(st.integers(0, 3)))
        ]
        return counter(name, *points, unit=unit, text=text)
    if kind == "histogram":
        bounds = sorted(draw(st.sets(st.floats(0, 1e9), max_size=5)))
        return metric(kind, name, *draw(st.lists(_histograms(bounds), max_size=3)), unit=unit, text=text)
    points = [number(draw(_numbers), draw(_labels)) for _ in range(draw(st.integers(0, 3)))]
    return metric(kind, name, *points, unit=unit, text=text)


@given(st.lists(_metrics(), max_size=6), st.dictionaries(st.text(), st.text(), max_size=3))
def test_whatever_is_measured_both_parsers_read(metrics: list[Metric], resource: dict[str, str]) -> None:
    """Names, labels, units and texts of any kind make a page that both formats' parsers take, with the same samples."""
    plain = page(*metrics, resource=resource)
    other = page(*metrics, resource=resource, accept=OPENMETRICS)
    found = [[(each.name, each.labels, str(each.value)) for each in samples(text)] for text in (plain, other)]
    assert found[0] == found[1]
    assert len({(name, tuple(sorted(labels.items()))) for name, labels, _ in found[0]}) == len(found[0])


@given(st.text())
def test_label_values_come_back(value: str) -> None:
    """What was written as a label is read again, all but what UTF-8 and the formats cannot hold."""
    kept = value.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
    for accept in (None, OPENMETRICS):
        written = page(counter("work", number(1, {"kind": value})), accept=accept)
        (sample,) = samples(written)
        assert sample.labels == ({"kind": kept} if kept else {})


@given(st.lists(st.floats(0, 1e12), min_size=1, max_size=8), st.data())
def test_histograms_add_up(bounds: list[float], data: st.DataObject) -> None:
    """Buckets are cumulative, and the last one is the count."""
    ordered = sorted(set(bounds))
    counts = data.draw(st.lists(st.integers(0, 10**6), min_size=len(ordered) + 1, max_size=len(ordered) + 1))
    found = families(page(metric("histogram", "time", timed(counts, ordered))))["time"].samples
    assert [each.value for each in found if each.name == "time_bucket"] == [
        sum(counts[: end + 1]) for end in range(len(counts))
    ]
    assert [each.value for each in found if each.name == "time_count"] == [sum(counts)]


@pytest.mark.tools
def test_promtool_finds_nothing() -> None:
    """`promtool check metrics` has nothing to say about a page with names and labels of all kinds."""
    written = page(
        counter("app.work", number(7, {"kind": 'a "b" \\ \n', "ü": "ü\u2028"}), unit="{item}"),
        metric("gauge", "app.level", number(math.nan), number(-math.inf, {"a": "b"}), unit="By", text='A "b" \\ \n c.'),
        metric("gauge", "app.share", number(0.5), unit="1"),
        metric("histogram", "app.time", timed([1, 0, 2], (0.1, 10.0**7)), unit="s"),
        resource={"service.name": "mine", "1st": "\0"},
    )
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=written, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
