"""One snapshot of several processes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capibara_otel._safety import Once
from capibara_otel.pipeline.metrics.data import Metric
from capibara_otel.pipeline.page.merge import Merger, Stamps
from capibara_otel.pipeline.page.table import Snapshot
from capibara_otel.pipeline.page.tabulate import Tabulator
from capibara_otel.pipeline.page.text import write
from tests.unit.pipeline.page.made import collection, counter, exemplar, metric, number, samples, timed


class Process:
    """What one process has measured, over time."""

    def __init__(self, rule: str = "latest", **resource: str) -> None:
        self._tabulator = Tabulator(lambda _: rule)  # type: ignore[arg-type, return-value]
        self._stamps = Stamps()
        self._resource = resource

    def at(self, now_ns: int, *metrics: Metric) -> Snapshot:
        """Return its snapshot of this time."""
        made = self._tabulator.snapshot(collection(*metrics, resource=self._resource), with_exemplars=True)
        made.stamps = self._stamps.of(made, now_ns)
        return made


def merged(live: list[Snapshot], ended: list[Snapshot] | None = None, limit: int | None = None) -> Snapshot:
    """Return them as one."""
    return Merger(Once(), limit=limit).merge(live, ended or [])


def values(made: Snapshot) -> dict[str, float]:
    """Return what stands on its page, by name and labels."""
    text = "".join(write(made, openmetrics=False))
    return {f"{each.name}{''.join(each.labels.values())}": each.value for each in samples(text)}


def test_what_is_counted_is_added_up() -> None:
    """Counters, histograms and sums that may fall are the sum of all processes' ones, each series for itself."""
    one = Process().at(
        1,
        counter("work", number(1, {"k": "a"}), number(2, {"k": "b"})),
        metric("sum", "load", number(5)),
        metric("histogram", "time", timed([1, 2, 3], total=1.5)),
    )
    other = Process().at(
        1,
        metric("histogram", "time", timed([10, 20, 30], total=15)),
        metric("sum", "load", number(-2)),
        counter("work", number(10, {"k": "b"}), number(20, {"k": "c"})),
        counter("more", number(1)),
    )
    assert values(merged([one, other])) == {
        "work_totala": 1,
        "work_totalb": 12,
        "work_totalc": 20,
        "more_total": 1,
        "load": 3,
        "time_bucket0.1": 11,
        "time_bucket1.0": 33,
        "time_bucket+Inf": 66,
        "time_count": 66,
        "time_sum": 16.5,
    }


def test_what_ended_processes_counted_stays_and_what_they_had_is_gone() -> None:
    """An ended process has no load and no level; what it counted was counted."""
    metrics = (
        counter("work", number(1)),
        metric("sum", "load", number(5)),
        metric("gauge", "level", number(7)),
        metric("histogram", "time", timed([1, 2, 3], total=1)),
    )
    made = [Process().at(1, *metrics) for _ in range(2)]
    found = values(merged(made[:1], made[1:]))
    assert (found["work_total"], found["load"], found["level"], found["time_count"]) == (2, 5, 7, 12)
    assert set(values(merged([], made))) == set(found) - {"load", "level"}


def test_of_a_gauge_the_value_set_last_is_shown() -> None:
    """Where it is known when a gauge was set, the latest value wins, whatever order the processes come in."""
    made = [
        Process().at(9, metric("gauge", "level", number(value, written_ns=at)))
        for value, at in ((1, 5), (2, 8), (3, 6))
    ]
    assert values(merged(made)) == values(merged(made[::-1])) == {"level": 2}


def test_else_the_value_that_changed_last_is_shown() -> None:
    """Where nobody noted when a gauge was set, that of the process where it was last seen to change wins."""
    first, second = Process(), Process()
    made = [first.at(1, metric("gauge", "level", number(1))), second.at(2, metric("gauge", "level", number(2)))]
    assert values(merged(made)) == {"level": 2}
    made = [first.at(3, metric("gauge", "level", number(5))), second.at(4, metric("gauge", "level", number(2)))]
    assert values(merged(made)) == {"level": 5}
    changed = metric("gauge", "level", number(5), number(6, {"k": "a"}))
    made = [first.at(5, counter("new", number(1)), changed), second.at(6, metric("gauge", "level", number(2)))]
    assert values(merged(made)) == {"level": 5, "levela": 6, "new_total": 1}


@pytest.mark.parametrize(("rule", "value"), [("latest", -1), ("sum", 4), ("max", 3), ("min", -1)])
def test_a_gauge_may_have_another_rule(rule: str, value: float) -> None:
    """A gauge can be declared as a sum, or as the largest or smallest of all processes' values."""
    made = [
        Process(rule).at(1, metric("gauge", "level", number(each, written_ns=at)))
        for at, each in ((1, 2), (2, 3), (3, -1))
    ]
    assert values(merged(made)) == {"level": value}


def test_not_all_have_every_gauge() -> None:
    """A gauge that only one process has is that process' one."""
    for rule in ("latest", "sum", "max", "min"):
        made = [Process(rule).at(1), Process(rule).at(1, metric("gauge", "level", number(-5)))]
        assert values(merged(made)) == {"level": -5}


def test_exemplars_are_the_newest() -> None:
    """Each sample shows the exemplar of the process that measured last."""
    made = [
        Process().at(
            1,
            counter("work", number(1, {}, exemplar(value, value, at_ns=at))),
            metric("histogram", "time", timed([1, 0, 0], (0.1, 1.0), {}, exemplar(0.05, value, at_ns=-at))),
        )
        for value, at in ((1, 5), (2, 8), (3, 6))
    ]
    found = merged(made).exemplars
    assert [each.time_ns for each in found.values()] == [8, -5]
    assert f'trace_id="{2:032x}"' in found[0].text


def test_the_target_is_what_they_have_in_common() -> None:
    """Labels that differ from process to process are not on the one `target_info`."""
    one, other = Process(service="a", pid="1"), Process(service="a", pid="2", more="x")
    assert merged([one.at(1), other.at(1)]).target == {"service": "a"}
    assert merged([one.at(1)], [other.at(1)]).target == {"service": "a"}
    assert merged([one.at(1)]).target == {"service": "a", "pid": "1"}


def test_other_buckets_of_another_version_go_where_they_surely_belong() -> None:
    """What was counted in other buckets is counted in the lowest bucket that holds it; sum and count stay right."""
    new = Process().at(1, metric("histogram", "time", timed([1, 1, 1], (1.0, 5.0), total=1)))
    old = Process().at(1, metric("histogram", "time", timed([10, 20, 30, 40], (0.5, 2.0, 9.0), total=2)))
    assert values(merged([new], [old])) == {
        "time_bucket1.0": 11,
        "time_bucket5.0": 32,
        "time_bucket+Inf": 103,
        "time_count": 103,
        "time_sum": 3,
    }


def test_what_processes_do_not_agree_on_is_that_of_the_first(caplog: pytest.LogCaptureFixture) -> None:
    """A name that is something else in another process is left out of what that one says, and that is said once."""
    merger = Merger(Once())
    one = Process().at(1, counter("work", number(1)), metric("gauge", "level", number(1)))
    other = Process("max").at(1, metric("gauge", "work", number(5)), metric("gauge", "level", number(2)))
    for _ in range(2):
        assert values(merger.merge([one, other], [])) == {"work_total": 1, "level": 1}
        assert values(merger.merge([one], [])) == {"work_total": 1, "level": 1}
    assert [record.getMessage() for record in caplog.records] == [
        "the metrics page leaves out work: the page has another work, a counter",
        "the metrics page leaves out level: for another process it is a latest, for one a max",
    ]


def test_ended_processes_do_not_pile_up_series() -> None:
    """Past the limit what ended processes counted goes into one series, and nothing of it is lost."""
    made = [Process().at(1, counter("work", *(number(1, {"k": f"{k}-{n}"}) for k in range(3)))) for n in range(4)]
    found = values(merged([], made, limit=5))
    assert len(found) == 6
    assert found["work_totaltrue"] == 7
    assert sum(found.values()) == 12


def test_numbers_that_are_none_harm_no_other() -> None:
    """A process whose gauge is no number spoils that gauge alone."""
    made = [
        Process().at(1, metric("gauge", "level", number(math.nan)), counter("work", number(1))),
        Process().at(1, counter("work", number(2))),
    ]
    found = values(merged(made))
    assert found["work_total"] == 3
    assert math.isnan(found["level"])


@given(st.lists(st.dictionaries(st.sampled_from("abcd"), st.integers(0, 1000), max_size=4), min_size=1, max_size=4))
def test_nothing_is_lost_or_counted_twice(counts: list[dict[str, int]]) -> None:
    """However the processes' series differ, each sum is the sum, whether they live or have ended."""
    made = [Process().at(1, counter("work", *(number(n, {"k": k}) for k, n in each.items()))) for each in counts]
    expected = {
        f"work_total{k}": sum(each.get(k, 0) for each in counts) for k in "abcd" if any(k in each for each in counts)
    }
    for split in range(len(made) + 1):
        assert values(merged(made[:split], made[split:])) == expected
        folded = merged([], made[split:])
        assert values(merged(made[:split], [folded])) == expected


def test_how_to_merge_is_found_out_once() -> None:
    """As long as the same processes have the same series only numbers are looked at."""
    merger, process = Merger(Once()), Process()
    point = number(1)
    first, second = (merger.merge([process.at(now, counter("work", point))], []) for now in (1, 2))
    assert first.table is second.table
