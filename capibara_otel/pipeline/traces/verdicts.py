"""What tail sampling goes by: the policy, and what is known of a trace."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context as DecimalContext
from decimal import Decimal
from typing import Any, Final

from capibara_otel.pipeline.health import Decision
from capibara_otel.pipeline.traces.sampling import RATIO_MASK, ratio_bound
from capibara_otel.pipeline.traces.span import Span

_ERROR: Final = 2
_NANO: Final = 1_000_000_000
_ROUTE: Final = "http.route"

# Of our own: the app may have changed the current one. Without traps nothing raises.
_MONEY: Final = DecimalContext(prec=50, traps=[])
_LONGEST_AMOUNT: Final = 100
_NOTHING: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class TailPolicy:
    """Which traces are kept, and how much may wait.

    The first rule that holds decides: an error in any span, a slow root, a dear trace, the share of all others.

    Args:
        share: of the others that is kept, 0 to 1, by their trace ids: other services with the same share keep the same.
        slow_s: seconds from which on a root is slow; None where only `slow_routes` are judged.
        slow_routes: the same for single routes (`http.route`) or span names; the route goes first.
        dear: from which on the sum of all costs of a trace is dear, if there are any; None to look at none.
        cost_attributes: names of span attributes that hold costs: numbers, or texts of decimal numbers.
        spans: how many may wait in memory, of all traces together.
        traces: how many may be undecided.
        age_s: seconds after which a trace is decided though its root has not ended.
        decisions: how many are remembered, for spans that end after their root.

    Raises:
        ValueError: the share is not between 0 and 1, or there is no room for a single span, trace or decision.
    """

    share: float = 1.0
    slow_s: float | None = None
    slow_routes: Mapping[str, float] = field(default_factory=dict)
    dear: Decimal | None = None
    cost_attributes: Sequence[str] = ()
    spans: int = 20_000
    traces: int = 5_000
    age_s: float = 300.0
    decisions: int = 20_000

    def __post_init__(self) -> None:
        ratio_bound(self.share)
        if min(self.spans, self.traces, self.decisions) < 1:
            raise ValueError("tail sampling needs room for one span, one trace and one decision at least")


class Trace:
    """What is known of a trace that is undecided.

    Args:
        root: the local root that made it known, if one did.
        since: when that was, monotonic seconds.
    """

    __slots__ = ("cost", "has_failed", "is_slow", "open_roots", "root", "since", "spans")

    def __init__(self, root: Span | None, since: float) -> None:
        self.root = root
        self.since = since
        self.open_roots = 0
        self.spans: list[Span] = []
        self.has_failed = False
        self.is_slow = False
        self.cost = _NOTHING


class Judge:
    """Applies a policy.

    Args:
        policy: the policy.
    """

    def __init__(self, policy: TailPolicy) -> None:
        self._bound: Final = ratio_bound(policy.share)
        self._dear: Final = policy.dear
        self._costs: Final = () if policy.dear is None else tuple(policy.cost_attributes)
        self._slow_routes: Final = {name: _nanoseconds(each) for name, each in policy.slow_routes.items()}
        self._slow: Final = math.inf if policy.slow_s is None else _nanoseconds(policy.slow_s)

    @property
    def looks_at_costs(self) -> bool:
        """Whether each span's costs count."""
        return bool(self._costs)

    def learn(self, trace: Trace, span: Span, *, is_root: bool) -> None:
        """Take into account a span that ended."""
        if span.status_code == _ERROR:
            trace.has_failed = True
        if is_root and span.end_ns - span.start_ns >= self._slow_ns(span):
            trace.is_slow = True
        for name in self._costs:
            if name in span.values:
                trace.cost = _MONEY.add(trace.cost, amount(span.values[name]))

    def learn_age(self, trace: Trace, now: float) -> None:
        """Take into account how long its first root has lasted, where that has not ended.

        Args:
            trace: the trace.
            now: monotonic seconds.
        """
        root = trace.root
        if root is not None and root.is_recording() and (now - trace.since) * _NANO >= self._slow_ns(root):
            trace.is_slow = True

    def decide(self, trace_id: int, trace: Trace) -> Decision:
        """Decide on what is known."""
        if trace.has_failed:
            return "error"
        if trace.is_slow:
            return "slow"
        if self._dear is not None and trace.cost is not _NOTHING and trace.cost >= self._dear:
            return "dear"
        return "share" if trace_id & RATIO_MASK < self._bound else "dropped"

    def _slow_ns(self, root: Span) -> float:
        routes = self._slow_routes
        if routes:
            route = root.values.get(_ROUTE)
            for name in (route, root.name):
                if type(name) is str and name in routes:
                    return routes[name]
        return self._slow


def _nanoseconds(seconds: float) -> int:
    return round(seconds * _NANO)


def amount(value: Any) -> Decimal:
    """Return the amount of money that an attribute holds, 0 if it holds none.

    Args:
        value: a number, or the text of a decimal one. A binary fraction counts as the decimal number it is printed as.
    """
    text = repr(value) if type(value) is float else value
    if type(text) is int or (type(text) is str and len(text) <= _LONGEST_AMOUNT):
        made = _MONEY.create_decimal(text)
        if made.is_finite():
            return made
    return _NOTHING
