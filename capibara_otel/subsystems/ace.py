"""`cap.ace`: agentic context engineering."""

from __future__ import annotations

from capibara_otel.operation import Emitter, Operation
from capibara_otel.operation.values import is_zero
from capibara_otel.semconv import attributes as a
from capibara_otel.semconv import metrics as m
from capibara_otel.semconv import spans


class Cycle(Operation):
    """One run of a component."""

    def aware(self, score: float | None) -> None:
        """Tell how much of the query the context covers, 0 to 1."""
        if score is not None:
            self.measure(m.ACE_AWARENESS, self.take(a.ACE_AWARENESS, score, "score"))

    def tokens(self, before: int | None = None, after: int | None = None) -> None:
        """Tell how many tokens of context went in and came out."""
        if before is not None:
            self.measure(m.ACE_TOKENS_BEFORE, self.take(a.ACE_TOKENS_BEFORE, before))
        if after is not None:
            self.measure(m.ACE_TOKENS_AFTER, self.take(a.ACE_TOKENS_AFTER, after))


class Ace:
    """Generator, reflector and curator over a playbook."""

    def __init__(self, emitter: Emitter) -> None:
        self._emitter = emitter

    def cycle(self, *, component: str) -> Cycle:
        """Open a run of a component.

        Args:
            component: `generator`, `reflector` or `curator`.
        """
        cycle = Cycle(self._emitter, spans.ACE_CYCLE)
        cycle.take(a.ACE_COMPONENT, component)
        return cycle

    def playbook(self, *, entries: int | None = None, added: int = 0, updated: int = 0, removed: int = 0) -> None:
        """Tell how large the playbook is and what changed in it.

        Args:
            entries: entries it holds now.
            added: entries added since the last call.
            updated: entries updated since the last call.
            removed: entries removed since the last call.
        """
        if entries is not None:
            self._emitter.measure("ace.playbook", m.ACE_PLAYBOOK_ENTRIES, entries, {})
        for change, argument, count in (
            ("add", "added", added),
            ("update", "updated", updated),
            ("remove", "removed", removed),
        ):
            if not is_zero(count):
                self._emitter.measure(
                    "ace.playbook", m.ACE_PLAYBOOK_CHANGES, count, {a.ACE_CHANGE: change}, argument=argument
                )

    def record_cycle(
        self,
        component: str,
        duration_s: float,
        *,
        outcome: str = "",
        awareness: float | None = None,
        tokens_before: int | None = None,
        tokens_after: int | None = None,
        error: BaseException | str = "",
    ) -> None:
        """Record a cycle that was measured elsewhere.

        Args:
            component: `generator`, `reflector` or `curator`.
            duration_s: seconds.
            outcome: how it ended; success by default.
            awareness: 0 to 1.
            tokens_before: tokens of context that went in.
            tokens_after: tokens of context that came out.
            error: the failure.
        """
        cycle = self.cycle(component=component)
        cycle.aware(awareness)
        cycle.tokens(tokens_before, tokens_after)
        cycle.record(duration_s, outcome=outcome, error=error)
