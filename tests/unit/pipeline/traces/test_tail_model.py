"""Tail sampling against a plain model, over random traffic; its bounds; threads and interruptions."""

from __future__ import annotations

import itertools
import threading
import weakref
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from capibara_otel.pipeline.health import Decision
from capibara_otel.pipeline.traces.sampling import RATIO_MASK, ratio_bound
from capibara_otel.pipeline.traces.span import Span
from capibara_otel.pipeline.traces.tail import TailPolicy, TailSampler
from tests.unit.pipeline.traces.interrupting import every_bytecode, interrupted
from tests.unit.pipeline.traces.tail_world import World, end
from tests.unit.pipeline.traces.test_threads import THREADS, together


@dataclass
class _Undecided:
    trace_id: int
    roots: int = 0
    spans: list[Span] = field(default_factory=list)
    ended_roots: list[Span] = field(default_factory=list)
    first_span: int = 0


@dataclass
class Model:
    """What tail sampling is to do, said as plainly as can be. Time stands still in it."""

    policy: TailPolicy
    kept: list[Span] = field(default_factory=list)
    decided: Counter[Decision] = field(default_factory=Counter)
    undecided: list[_Undecided] = field(default_factory=list)
    memory: list[tuple[int, bool]] = field(default_factory=list)
    order: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def run(self, events: Sequence[tuple[str, Span | None]]) -> None:
        """Take everything that happened."""
        room = self.policy.spans - min(64, self.policy.spans // 2)
        for kind, span in events:
            if span is None:
                while self.undecided:
                    self.decide(self.undecided[0])
            elif kind == "start":
                self.start(span)
            else:
                self.end(span, room)

    def start(self, span: Span) -> None:
        """Take a span that begins."""
        if span.parent_id and not span.parent_is_remote:
            return
        trace = self.find(span.trace_id)
        if trace is None:
            if dict(self.memory).get(span.trace_id):
                return
            self.memory = [each for each in self.memory if each[0] != span.trace_id]
            if len(self.undecided) == self.policy.traces:
                self.decide(self.undecided[0])
            trace = _Undecided(span.trace_id)
            self.undecided.append(trace)
        trace.roots += 1

    def end(self, span: Span, room: int) -> None:
        """Take a span that ended."""
        waiting = sum(len(trace.spans) for trace in self.undecided)
        if self.find(span.trace_id) is not None and waiting >= room:
            self.decide(min((trace for trace in self.undecided if trace.spans), key=lambda trace: trace.first_span))
        trace = self.find(span.trace_id)
        is_root = not span.parent_id or span.parent_is_remote
        if trace is None:
            known = dict(self.memory).get(span.trace_id)
            if known is None:
                trace = _Undecided(span.trace_id, spans=[span], ended_roots=[span] if is_root else [])
                self.undecided.append(trace)
                self.decide(trace)
            elif known:
                self.kept.append(span)
            return
        if not trace.spans:
            trace.first_span = next(self.order)
        trace.spans.append(span)
        if is_root:
            trace.roots -= 1
            trace.ended_roots.append(span)
            if trace.roots <= 0:
                self.decide(trace)

    def find(self, trace_id: int) -> _Undecided | None:
        """Return an undecided trace."""
        return next((trace for trace in self.undecided if trace.trace_id == trace_id), None)

    def decide(self, trace: _Undecided) -> None:
        """Decide about one."""
        policy = self.policy
        self.undecided.remove(trace)
        costs = [Decimal(str(span.values["cost"])) for span in trace.spans if "cost" in span.values]
        decision: Decision = "dropped"
        if any(span.status_code == 2 for span in trace.spans):
            decision = "error"
        elif any(
            span.end_ns >= 1e9 * policy.slow_routes.get(span.name, policy.slow_s or float("inf"))
            for span in trace.ended_roots
        ):
            decision = "slow"
        elif policy.dear is not None and costs and sum(costs) >= policy.dear:
            decision = "dear"
        elif trace.trace_id & RATIO_MASK < ratio_bound(policy.share):
            decision = "share"
        self.decided[decision] += 1
        if decision != "dropped":
            self.kept += trace.spans
        self.memory = [each for each in self.memory if each[0] != trace.trace_id]
        self.memory.append((trace.trace_id, decision != "dropped"))
        del self.memory[: -policy.decisions]


_TRACES = [1, 2**63, 2**63 + 1, 2**64 - 1, 2**64 + 5]
_steps = st.one_of(
    st.tuples(st.just("root"), st.sampled_from(["a", "b", "fast"]), st.one_of(st.none(), st.sampled_from(_TRACES))),
    st.tuples(st.just("child"), st.integers(0, 9), st.one_of(st.none(), st.integers(0, 3))),
    st.tuples(
        st.just("end"), st.integers(0, 9), st.sampled_from([0, 0, 0, 1, 5]), st.sampled_from(["", "", "", "", "failed"])
    ),
    st.tuples(st.just("end"), st.integers(0, 9), st.just(0), st.just("")),
    st.one_of(st.tuples(st.just("flush")), st.tuples(st.just("child"), st.integers(0, 9), st.none())),
)
_policies = st.builds(
    TailPolicy,
    share=st.sampled_from([0, 0.5, 1]),
    slow_s=st.sampled_from([None, 2]),
    slow_routes=st.sampled_from([{}, {"fast": 1}]),
    dear=st.sampled_from([None, Decimal(4)]),
    cost_attributes=st.just(("cost",)),
    spans=st.sampled_from([1, 2, 3, 5, 1000]),
    traces=st.sampled_from([1, 2, 3, 1000]),
    decisions=st.sampled_from([1, 2, 1000]),
)


@given(policy=_policies, steps=st.lists(_steps, min_size=15, max_size=60))
@settings(deadline=None, max_examples=400)
def test_it_does_what_the_model_says(policy: TailPolicy, steps: Sequence[tuple[object, ...]]) -> None:
    """Any traffic under any bounds: the same spans are kept in the same order, the same decisions counted."""
    world = World(policy)
    opened: list[Span] = []
    for name, *arguments in steps:
        match name, arguments:
            case "root", [str(span_name), trace_id]:
                assert trace_id is None or isinstance(trace_id, int)
                opened.append(world.root(span_name, trace_id=trace_id))
            case "child", [int(which), cost] if opened:
                child = world.child(opened[which % len(opened)])
                if isinstance(cost, int):
                    child.set_attribute("cost", cost)
                opened.append(child)
            case "end", [int(which), int(seconds), failed] if opened:
                end(opened.pop(which % len(opened)), seconds=seconds, failed=failed == "failed")
            case "flush", _:
                world.flush()
        assert world.tail.waiting <= policy.spans
        assert world.tail.undecided <= policy.traces
        assert len(world.tail._decisions) <= policy.decisions
    world.flush()
    model = Model(policy)
    model.run(world.events)

    assert world.kept == model.kept
    assert world.decided == model.decided
    assert (world.tail.waiting, world.tail.undecided) == (0, 0)


# --- bounds


def test_a_hundred_thousand_open_roots_take_no_more_room_than_the_limit() -> None:
    """Roots that never end: no more traces, and no more spans alive, than the policy allows."""
    policy = TailPolicy(share=0, traces=500, decisions=700)
    world = World(policy)
    alive: weakref.WeakSet[Span] = weakref.WeakSet()
    for _ in range(100_000):
        alive.add(world.root())
        world.events.clear()
    world.flush()

    assert world.decided == {"dropped": 100_000}
    world.root()
    assert world.tail.undecided <= 500
    assert len(alive) <= 1
    assert len(world.tail._decisions) <= 700


def test_open_roots_are_forgotten_as_new_ones_come() -> None:
    """While they are open no more of them are held than there may be undecided traces, and a batch of notes."""
    world = World(TailPolicy(share=0, traces=500))
    alive: weakref.WeakSet[Span] = weakref.WeakSet()
    for _ in range(20_000):
        alive.add(world.root())
        world.events.clear()
        assert world.tail.undecided <= 500
    assert len(alive) <= 500 + 65


def test_an_endless_trace_takes_no_more_room_than_the_limit() -> None:
    """A root with a hundred thousand children: no more of them wait than may, and later ones follow its decision."""
    for share, children in ((0, 100_000), (1, 20_000)):
        world = World(TailPolicy(share=share, spans=1000))
        root = world.root()
        alive: weakref.WeakSet[Span] = weakref.WeakSet()
        most = 0
        for _ in range(children):
            child = world.child(root)
            alive.add(child)
            end(child)
            del child
            world.events.clear()
            most = max(most, world.tail.waiting)
            if not share:
                assert len(alive) <= 1000
        world.flush()
        assert most <= 1000
        assert len(world.kept) == share * children


def test_an_endless_trace_does_not_wait_for_ever() -> None:
    """A root that lasts for ever among ordinary traffic is decided at its age, with all it holds."""
    world = World(TailPolicy(share=0, age_s=60))
    endless = world.root("endless")
    for second in range(200):
        world.now = float(second)
        end(world.child(endless))
        end(world.root("ordinary"))
        assert world.tail.waiting <= 60 + 1
    assert world.tail.undecided == 0


# --- threads and interruptions


def test_threads_lose_and_double_nothing() -> None:
    """Traces of several threads at once, some failed: the failed ones are kept whole, the others counted, nothing waits."""
    world = World(TailPolicy(share=0))

    def work(number: int) -> None:
        for turn in range(200):
            root = world.root(f"{number}.{turn}")
            end(world.child(root, f"{number}.{turn}"), failed=turn % 4 == 0)
            end(root)

    together(work)
    world.flush()
    assert Counter(world.names) == {f"{number}.{turn}": 2 for number in range(THREADS) for turn in range(0, 200, 4)}
    assert world.decided == {"error": THREADS * 50, "dropped": THREADS * 150}
    assert world.tail.waiting == 0


def test_one_trace_of_many_threads_is_decided_once() -> None:
    """Roots of the same trace in several threads, always one of them open: one decision, and every span is there."""
    world = World(TailPolicy(share=1))
    around = world.root("around", trace_id=7)

    def work(_: int) -> None:
        for _ in range(200):
            end(world.root(trace_id=7))

    together(work)
    end(around)
    world.flush()
    assert len(world.kept) == THREADS * 200 + 1
    assert world.decided == {"share": 1}


def test_interrupted_at_any_bytecode_it_loses_and_doubles_nothing() -> None:
    """A handler that ends a trace of its own in the midst of another's end."""

    def run(at: int) -> bool:
        world = World(TailPolicy(share=0))
        own = world.root("handler")
        child = world.child(own, "handler")

        def handle() -> None:
            end(child, failed=True)
            end(own)

        root = world.root("main")
        first, second = world.child(root, "main"), world.child(root, "main")

        def work() -> None:
            end(first, failed=True)
            end(second)
            end(root)

        came = interrupted(work, handle, at)
        if not came:
            handle()
        world.flush()
        assert Counter(world.names) == {"main": 3, "handler": 2}
        assert world.decided == {"error": 2}
        assert (world.tail.waiting, world.tail.undecided) == (0, 0)
        return came

    assert every_bytecode(run) > 300


def test_nobody_who_is_handed_spans_is_called_with_a_lock_held() -> None:
    """A queue that waits for another thread, which itself ends spans, does not hang."""
    world = World(TailPolicy(share=1))
    done = threading.Event()

    def help_out() -> None:
        end(world.root("helper"))
        done.set()

    def take(_: Span) -> None:
        if threading.current_thread() is threading.main_thread():
            helper = threading.Thread(target=help_out)
            helper.start()
            assert done.wait(20)
            helper.join(20)

    world.tail = TailSampler(world.policy, keep=take)
    end(world.root("main"))
    assert done.is_set()
