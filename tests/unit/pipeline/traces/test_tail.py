"""Tail sampling: what is kept, when it is decided, what happens to what comes late."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from capibara_otel.pipeline.health import Health
from capibara_otel.pipeline.scope import Resource
from capibara_otel.pipeline.traces.provider import TracerProvider
from capibara_otel.pipeline.traces.sampling import Sampling
from capibara_otel.pipeline.traces.span import Span
from capibara_otel.pipeline.traces.tail import TailPolicy, TailSampler
from capibara_otel.pipeline.traces.verdicts import amount
from tests.unit.pipeline.traces.support import remote
from tests.unit.pipeline.traces.tail_world import HIGH, LOW, World, end

NONE = TailPolicy(share=0)


def test_nothing_is_decided_while_a_root_is_open() -> None:
    """Spans wait for the end of the last open local root of their trace, and are kept then in the order they ended."""
    world = World(TailPolicy(share=1))
    first, second = world.root("first", trace_id=LOW), world.root("second", trace_id=LOW)
    end(world.child(first))
    end(first)
    assert (world.kept, world.tail.waiting, world.tail.undecided) == ([], 2, 1)
    end(second)

    assert world.names == ["child", "first", "second"]
    assert (world.tail.waiting, world.tail.undecided) == (0, 0)
    assert world.decided == {"share": 1}


def test_a_failed_span_keeps_its_trace() -> None:
    """One span with an error, wherever it is, keeps all of them; a trace without one is dropped."""
    world = World(NONE)
    for failed in (True, False):
        root = world.root("root")
        end(world.child(root, "failed"), failed=failed)
        end(world.child(root, "fine"))
        end(root)

    assert world.names == ["failed", "fine", "root"]
    assert world.decided == {"error": 1, "dropped": 1}


@pytest.mark.parametrize(
    ("name", "attributes", "seconds", "decision"),
    [
        ("GET /", {}, 2, "slow"),
        ("GET /", {}, 1.999, "dropped"),
        ("GET /", {"http.route": "/slow"}, 4.9, "dropped"),
        ("GET /", {"http.route": "/slow"}, 5, "slow"),
        ("GET /", {"http.route": "/fast"}, 0.1, "slow"),
        ("job", {}, 0.5, "slow"),
        ("job", {}, 0.4, "dropped"),
        ("job", {"http.route": "/slow"}, 4, "dropped"),
        ("job", {"http.route": "/unknown"}, 0.5, "slow"),
        ("GET /", {"http.route": ["/fast"]}, 0.1, "dropped"),
        ("job", {"http.route": {"no": "text"}}, 0.5, "slow"),
    ],
)
def test_a_slow_root_keeps_its_trace(name: str, attributes: dict[str, Any], seconds: float, decision: Any) -> None:
    """A root is slow from its route's seconds on, else its name's, else the default; children are not asked."""
    world = World(TailPolicy(share=0, slow_s=2, slow_routes={"/slow": 5, "/fast": 0.1, "job": 0.5}))
    root = world.root(name, **attributes)
    end(world.child(root), seconds=100)
    end(root, seconds=seconds)

    assert world.decided == {decision: 1}


def test_without_a_threshold_nothing_is_slow() -> None:
    """Where no seconds are named for a route or for all, time keeps nothing."""
    world = World(TailPolicy(share=0, slow_routes={"/slow": 1}))
    end(world.root(), seconds=1e6)
    assert world.decided == {"dropped": 1}


@pytest.mark.parametrize(
    ("costs", "decision"),
    [
        ([0.1, 0.2], "dear"),
        ([0.1, 0.19999], "dropped"),
        (["0.1", "0.2"], "dear"),
        ([Decimal("0.3")], "dear"),
        ([1], "dear"),
        ([True], "dropped"),
        (["much", None, float("inf"), float("nan"), [1], "9" * 1000, "1e999999999"], "dropped"),
        ([], "dropped"),
    ],
)
def test_a_dear_trace_is_kept(costs: list[Any], decision: Any) -> None:
    """The costs of all spans are added up as decimal numbers: 0.1 and 0.2 are 0.3; what is no amount is none."""
    world = World(TailPolicy(share=0, dear=Decimal("0.3"), cost_attributes=("cost", "other")))
    root = world.root()
    for cost in costs:
        end(world.child(root, cost=cost))
    end(root)

    assert world.decided == {decision: 1}


def test_several_attributes_may_hold_costs() -> None:
    """They are added up too; without a threshold nobody looks at them."""
    for dear, decision in ((Decimal(3), "dear"), (None, "dropped")):
        world = World(TailPolicy(share=0, dear=dear, cost_attributes=("cost", "other")))
        end(world.root(cost=1, other=2))
        assert world.decided == {decision: 1}


@pytest.mark.parametrize(("value", "expected"), [(3, "3"), (0.1, "0.1"), ("-2.50", "-2.50"), (10**60, "1E+60")])
def test_amounts_are_decimal_numbers(value: Any, expected: str) -> None:
    """A binary fraction counts as what it is printed as, whatever the app set as its decimal context."""
    assert amount(value) == Decimal(expected)


def test_the_first_rule_that_holds_decides() -> None:
    """Error goes before slow, slow before dear, dear before the share."""
    policy = TailPolicy(share=1, slow_s=1, dear=Decimal(1), cost_attributes=["cost"])
    world = World(policy)
    end(world.root(cost=1), seconds=1, failed=True)
    end(world.root(cost=1), seconds=1)
    end(world.root(cost=1))
    end(world.root())
    assert list(world.decided) == ["error", "slow", "dear", "share"]


def test_the_share_is_the_head_samplers() -> None:
    """Of the ordinary traces those are kept that `traceidratio` with the same share would have sampled."""
    world = World(TailPolicy(share=0.25))
    head: list[Span] = []
    tracer = TracerProvider(Resource({}), sampler=Sampling.named("traceidratio", 0.25), on_end=head.append).get_tracer(
        "lib"
    )
    for number in range(400):
        trace_id = (number * 0x9E3779B97F4A7C15 + 1) % 2**128
        tracer.start_span("root", remote(trace_id, 9)).end()
        end(world.root(trace_id=trace_id))

    assert [span.trace_id for span in world.kept] == [span.trace_id for span in head]
    assert 60 < len(head) < 140


def test_late_spans_follow_their_trace() -> None:
    """A child that ends after its root goes the way of its trace, also if it failed."""
    world = World(TailPolicy(share=0.5))
    for trace_id in (LOW, HIGH):
        root = world.root("root", trace_id=trace_id)
        late = world.child(root, "late")
        end(root)
        end(late, failed=True)
    world.flush()

    assert [(span.name, span.trace_id) for span in world.kept] == [("root", LOW), ("late", LOW)]
    assert world.decided == {"share": 1, "dropped": 1}


def test_a_further_root_of_a_dropped_trace_is_judged_anew() -> None:
    """A service that is called twice in a trace keeps the second call if that fails, and a kept trace stays kept."""
    world = World(TailPolicy(share=0.5))
    end(world.root("first", trace_id=HIGH))
    end(world.root("second", trace_id=HIGH), failed=True)
    end(world.root("third", trace_id=HIGH))
    assert world.names == ["second", "third"]
    assert world.decided == {"dropped": 1, "error": 1}


def test_a_span_without_a_known_root_is_judged_alone() -> None:
    """Where nobody told of a local root the span itself decides, and what comes after it follows."""
    world = World(NONE)
    orphans = [world.child(world.root(trace_id=number + 1), "orphan") for number in range(3)]
    world.tail.after_fork()  # forgets the roots
    end(orphans[0], failed=True)
    end(world.child(orphans[0], "follows"))
    end(orphans[1])
    world.flush()

    assert world.names == ["orphan", "follows"]
    assert world.decided == {"error": 1, "dropped": 1}


def test_the_oldest_goes_where_too_many_traces_are_open() -> None:
    """One more trace than there may be makes the oldest be decided on what is known; its later spans follow."""
    world = World(TailPolicy(share=0, traces=2))
    failed = world.root("failed")
    end(world.child(failed), failed=True)
    world.root("idle"), world.root("newest")
    world.flush()

    assert world.names == ["child"]
    assert world.decided == {"error": 1, "dropped": 2}
    end(failed)
    world.flush()
    assert world.names == ["child", "failed"]


def test_where_too_many_spans_wait_the_oldest_trace_that_holds_any_goes() -> None:
    """An idle open root is left alone: to decide it would make no room."""
    world = World(TailPolicy(share=0, spans=2))
    idle, busy = world.root("idle"), world.root("busy")
    for _ in range(5):
        end(world.child(busy))
        assert world.tail.waiting <= 2
    assert world.decided == {"dropped": 1}
    end(idle, failed=True)
    assert world.names == ["idle"]


def test_a_root_that_never_ends_is_decided_at_its_age() -> None:
    """After its seconds the next root that ends has it decided; one that has lasted as long as a slow one is slow."""
    world = World(TailPolicy(share=0, slow_s=30, age_s=60))
    endless, short = world.root("endless"), world.root("short")
    end(world.child(endless))
    world.now = 59.9
    end(world.root("other"))
    assert world.tail.undecided == 2
    end(short, seconds=1)
    world.now = 60.0
    end(world.root("another"))

    assert world.names == ["child"]
    assert world.decided == {"dropped": 3, "slow": 1}
    assert world.tail.undecided == 0


def test_a_flush_decides_everything() -> None:
    """On what is known: errors so far, else the share; what comes later follows."""
    world = World(NONE)
    good, bad = world.root("good"), world.root("bad")
    end(world.child(bad, "failed"), failed=True)
    end(world.child(good, "fine"))
    world.flush()

    assert world.names == ["failed"]
    assert (world.tail.waiting, world.tail.undecided) == (0, 0)
    end(bad)
    end(good, failed=True)
    assert world.names == ["failed", "bad"]
    world.flush()
    assert world.decided == {"error": 1, "dropped": 1}


def test_closed_it_hands_everything_on() -> None:
    """What ends after the close is not held back: whoever gets it says why it is not sent."""
    world = World(NONE)
    waiting = world.root("waiting")
    end(world.child(waiting))
    world.tail.close()
    end(waiting)
    end(world.root("after"))

    assert world.names == ["waiting", "after"]
    assert world.decided == {"dropped": 1}
    assert (world.tail.waiting, world.tail.undecided) == (0, 0)


def test_a_child_process_forgets_what_waits() -> None:
    """What the parent has not decided is the parent's."""
    world = World(TailPolicy(share=1))
    root = world.root()
    end(world.child(root))
    world.tail.after_fork()
    assert (world.tail.waiting, world.tail.undecided) == (0, 0)
    world.flush()
    assert world.kept == []
    end(world.root("new"))
    assert world.names == ["new"]


def test_decisions_are_forgotten_oldest_first() -> None:
    """No more of them are remembered than may be; a late span of a forgotten trace is judged alone."""
    world = World(TailPolicy(share=0, decisions=2))
    late = []
    for number in range(4):
        root = world.root(trace_id=number + 1)
        late.append(world.child(root, f"late {number}"))
        end(root, failed=True)
        assert len(world.tail._decisions) <= 2
    for span in reversed(late):
        end(span)
    world.flush()
    assert [name for name in world.names if name != "root"] == ["late 3", "late 2"]


def test_a_trace_that_is_judged_anew_is_remembered_anew() -> None:
    """The latest decision about a trace is the newest there is, whatever was decided about it before."""
    world = World(TailPolicy(share=0.5, decisions=2))
    end(world.root("first", trace_id=HIGH))
    end(world.root("other", trace_id=HIGH - 1))
    again = world.root("again", trace_id=HIGH)
    late = world.child(again, "late")
    end(again, failed=True)
    end(world.root("another", trace_id=HIGH - 2))
    end(late)
    world.flush()
    assert world.names == ["again", "late"]


def test_spans_that_are_not_sampled_do_not_count() -> None:
    """A root that is only recorded opens nothing."""
    world = World(NONE)
    world.tracer.start_span("unsampled", remote(5, 6, flags=0)).end()
    assert world.tail.undecided == 0


def test_it_counts_into_health() -> None:
    """Each decided trace is one count of its decision."""
    health = Health()
    world = World(NONE)
    world.tail = TailSampler(NONE, keep=world.kept.append, count=health.count_decided)
    end(world.root(), failed=True)
    end(world.root())
    end(world.root())
    assert (health.decided("error"), health.decided("dropped"), health.decided("share")) == (1, 2, 0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: TailPolicy(share=1.5),
        lambda: TailPolicy(share=-1),
        lambda: TailPolicy(spans=0),
        lambda: TailPolicy(traces=0),
        lambda: TailPolicy(decisions=0),
    ],
)
def test_a_policy_must_be_possible(make: Callable[[], TailPolicy]) -> None:
    """A share beyond all and room for nothing are refused."""
    with pytest.raises(ValueError, match=r"share|room"):
        make()


def test_who_fails_to_take_spans_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue that fails costs its own spans only."""
    monkeypatch.setenv("CAPIBARA_RAISE", "0")
    taken: list[Span] = []

    def take(span: Span) -> None:
        if span.name == "bad":
            raise RuntimeError("queue")
        taken.append(span)

    def fail(*_: Any) -> None:
        raise RuntimeError("count")

    world = World(TailPolicy())
    world.tail = TailSampler(TailPolicy(), keep=take, count=fail)
    for name in ("bad", "good"):
        end(world.root(name))
    assert [span.name for span in taken] == ["good"]
