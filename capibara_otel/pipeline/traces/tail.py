"""Tail sampling in the process: which traces are sent is decided when they have ended, and known to be good or bad.

Metrics and exemplars have counted everything by then: only what is sent grows less.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from opentelemetry.context import Context

from capibara_otel.pipeline.health import Decision
from capibara_otel.pipeline.traces.recorded import SAMPLED
from capibara_otel.pipeline.traces.shared import guarded
from capibara_otel.pipeline.traces.span import Span
from capibara_otel.pipeline.traces.verdicts import Judge, TailPolicy, Trace

_BATCH: Final = 64

__all__ = ["TailPolicy", "TailSampler"]


class TailSampler:
    """Holds back ended spans until the last open local root of their trace has ended, and decides then.

    A local root is a span without a parent in this process. `on_start` must be told of those, `on_end` of all spans.
    Where a trace is decided early (for want of room, at its age, at a flush) only what is known by then counts, and a
    root that is still open is slow once it has lasted long enough. Spans that come later follow the decision; a further
    local root in a trace that was dropped is judged anew, for it may fail. A span of a trace whose roots nobody told of
    is judged alone.

    Memory: never more than `policy.spans` spans, `policy.traces` undecided traces and `policy.decisions` decisions; at
    the limit the oldest trace (for spans: the oldest that holds any) is decided early, or the oldest decision forgotten.

    Any thread, signal handler or finalizer may call it at any moment. All notes go through one queue, which one caller
    at a time works off; who interrupts him in his own thread leaves the note to him.

    Args:
        policy: what is kept.
        keep: called with each span that is; never while a lock is held.
        count: called with each decision about a trace and 1, such as `Health.count_decided`.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        policy: TailPolicy,
        *,
        keep: Callable[[Span], object],
        count: Callable[[Decision, int], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._policy: Final = policy
        self._judge: Final = Judge(policy)
        self._keep: Final = keep
        self._count: Final = count
        self._clock: Final = clock
        self._looks_at_costs: Final = self._judge.looks_at_costs
        # Notes about spans are worked off many at a time, or at a root's end; they count as spans that wait.
        self._batch: Final = min(_BATCH, policy.spans // 2)
        self._room: Final = policy.spans - self._batch
        self._is_closed = False
        self.after_fork()

    def after_fork(self) -> None:
        """Begin empty in a forked child: what waits is the parent's."""
        self._lock = threading.RLock()
        self._is_working = False
        self._notes: deque[Any] = deque()
        self._ready: deque[Span | Decision] = deque()
        # All in the order in which they came to be there: the first is the oldest.
        self._traces: dict[int, Trace] = {}
        self._holding: dict[int, Trace] = {}
        self._decisions: dict[int, bool] = {}
        self._waiting = 0
        self._next_age = math.inf

    @property
    def waiting(self) -> int:
        """How many spans wait for a decision."""
        return self._waiting + len(self._notes)

    @property
    def undecided(self) -> int:
        """How many traces wait for one."""
        return len(self._traces)

    def on_start(self, span: Span, _context: Context | None = None) -> None:
        """Take note of a span that begins, if it is a local root; belongs into `TracerProvider.on_start`."""
        if (not span.parent_id or span.parent_is_remote) and span.flags & SAMPLED and not self._is_closed:
            self._notes.append((span, self._clock()))
            if len(self._notes) > self._batch:
                self._work()

    def on_end(self, span: Span) -> None:
        """Take a sampled span that ended; belongs to a `TracerProvider` as its `on_end`."""
        if self._is_closed:
            guarded("traces.tail.keep", self._keep, span)
            return
        notes = self._notes
        notes.append(span)
        if not span.parent_id or span.parent_is_remote or len(notes) > self._batch:
            self._work()

    def flush(self) -> None:
        """Decide about everything that is undecided, on what is known now."""
        self._notes.append(None)
        self._work()

    def close(self) -> None:
        """Decide about everything that is undecided, and hand on as it is what comes later."""
        self._is_closed = True
        self.flush()

    # --- the queue of notes

    def _work(self) -> None:
        while self._notes:
            with self._lock:
                if self._is_working:
                    return
                self._is_working = True
                try:
                    self._work_off(self._clock())
                finally:
                    self._is_working = False
            self._hand_on()

    def _work_off(self, now: float) -> None:
        take, traces = self._notes.popleft, self._traces
        for _ in range(len(self._notes)):
            note = take()
            if note is None:
                while traces:
                    self._decide_oldest(traces, now)
            elif type(note) is tuple:
                self._begin(*note)
            else:
                self._end(note, now)
        if now >= self._next_age:
            self._decide_aged(now)

    def _hand_on(self) -> None:
        while self._ready:
            try:
                ready = self._ready.popleft()
            except IndexError:  # another thread was faster
                return
            if not isinstance(ready, str):
                guarded("traces.tail.keep", self._keep, ready)
            elif self._count is not None:
                guarded("traces.tail.count", self._count, ready, 1)

    # --- traces

    def _begin(self, root: Span, now: float) -> None:
        trace = self._traces.get(root.trace_id)
        if trace is None:
            if self._decisions.get(root.trace_id):
                return
            self._decisions.pop(root.trace_id, None)
            if len(self._traces) >= self._policy.traces:
                self._decide_oldest(self._traces, now)
            trace = self._traces[root.trace_id] = Trace(root, now)
            if len(self._traces) == 1:
                self._next_age = now + self._policy.age_s
        trace.open_roots += 1

    def _end(self, span: Span, now: float) -> None:
        trace_id = span.trace_id
        traces = self._traces
        if self._waiting >= self._room and trace_id in traces:
            self._decide_oldest(self._holding, now)
        trace = traces.get(trace_id)
        if trace is None:
            self._follow(span, now)
            return
        is_root = not span.parent_id or span.parent_is_remote
        if is_root or span.status_code or self._looks_at_costs:
            self._judge.learn(trace, span, is_root=is_root)
        spans = trace.spans
        if not spans:
            self._holding[trace_id] = trace
        self._waiting += 1
        spans.append(span)
        if is_root:
            trace.open_roots -= 1
            if trace.open_roots <= 0:
                self._decide(trace_id, trace)

    def _follow(self, span: Span, now: float) -> None:
        is_kept = self._decisions.get(span.trace_id)
        if is_kept is None:
            alone = Trace(None, now)
            self._judge.learn(alone, span, is_root=not span.parent_id or span.parent_is_remote)
            alone.spans.append(span)
            self._settle(span.trace_id, alone)
        elif is_kept:
            self._ready.append(span)

    def _decide_aged(self, now: float) -> None:
        age_s = self._policy.age_s
        self._next_age = math.inf
        while self._traces:
            due = next(iter(self._traces.values())).since + age_s
            if due > now:
                self._next_age = due
                return
            self._decide_oldest(self._traces, now)

    def _decide_oldest(self, traces: dict[int, Trace], now: float) -> None:
        trace_id, trace = next(iter(traces.items()))
        self._judge.learn_age(trace, now)
        self._decide(trace_id, trace)

    def _decide(self, trace_id: int, trace: Trace) -> None:
        self._waiting -= len(trace.spans)
        del self._traces[trace_id]
        self._holding.pop(trace_id, None)
        self._settle(trace_id, trace)

    def _settle(self, trace_id: int, trace: Trace) -> None:
        decision = self._judge.decide(trace_id, trace)
        is_kept = decision != "dropped"
        self._decisions[trace_id] = is_kept
        if len(self._decisions) > self._policy.decisions:
            del self._decisions[next(iter(self._decisions))]
        self._ready.append(decision)
        if is_kept:
            self._ready.extend(trace.spans)
