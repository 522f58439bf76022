"""`cap.routing` and `cap.ace`: which model answers, and with which context."""

from __future__ import annotations

import asyncio

import pytest

from capibara_otel.sdk import Capibara
from capibara_otel.testing import Capture
from tests.support.emitted import metrics, only_span, point, typed

_CHOSEN = {"capibara6__routing__model": "m-20b", "capibara6__routing__complexity": "medium"}


class TestDecide:
    """`cap.routing.decide(…)` and `cap.routing.record_decision(…)`."""

    def test_as_a_block(self, cap: Capibara, capture: Capture) -> None:
        """A decision is a span, a count and a duration by model, its confidence and its alternatives."""
        with cap.routing.decide(query_type="code") as decision:
            capture.clock.advance(0.001)
            decision.chose("m-20b", complexity="medium", confidence=0.85, over=["m-mini", "m-7b"])

        assert only_span(capture) == (
            "routing decide code",
            "INTERNAL",
            "UNSET",
            typed(
                {
                    "capibara6.routing.query_type": "code",
                    "capibara6.routing.model": "m-20b",
                    "capibara6.routing.complexity": "medium",
                    "capibara6.routing.confidence": 0.85,
                    "capibara6.routing.alternatives": ("m-mini", "m-7b"),
                    "capibara6.outcome": "success",
                }
            ),
        )
        assert metrics(capture) == {
            "capibara6.routing.decisions": [
                point(1, **_CHOSEN, capibara6__routing__query_type="code", capibara6__outcome="success")
            ],
            "capibara6.routing.decision.duration": [point((1, 0.001), **_CHOSEN)],
            "capibara6.routing.confidence": [point((1, 0.85), **_CHOSEN)],
            "capibara6.routing.alternatives": [point((1, 2.0), capibara6__routing__model="m-20b")],
        }

    def test_as_an_asynchronous_decorator(self, cap: Capibara, capture: Capture) -> None:
        """A decorated coroutine is a decision per call; without a kind of query the span has the plain name."""

        @cap.routing.decide()
        async def route() -> None:
            decision = cap.current()
            assert decision is not None
            decision.chose("m-20b")  # type: ignore[attr-defined]

        async def twice() -> None:
            await asyncio.gather(route(), route())

        asyncio.run(twice())

        assert [span.name for span in capture.spans] == ["routing decide"] * 2
        assert metrics(capture)["capibara6.routing.decisions"] == [
            point(2, capibara6__routing__model="m-20b", capibara6__outcome="success")
        ]

    def test_a_fallback(self, cap: Capibara, capture: Capture) -> None:
        """A decision that left its first choice is counted by both models and the reason."""
        cap.routing.record_decision("m-mini", 0.002, instead_of="m-20b", reason="rate_limited")

        assert capture.attributes("routing decide")["capibara6.routing.fallback.from"] == "m-20b"
        assert metrics(capture)["capibara6.routing.fallbacks"] == [
            point(
                1,
                capibara6__routing__fallback__from="m-20b",
                capibara6__routing__model="m-mini",
                capibara6__routing__fallback__reason="rate_limited",
            )
        ]

    def test_without_a_fallback(self, cap: Capibara, capture: Capture) -> None:
        """A decision for the first choice is no fallback, whatever else is not told."""
        cap.routing.record_decision("m", 0.002, over=[])

        assert metrics(capture) == {
            "capibara6.routing.decisions": [point(1, capibara6__routing__model="m", capibara6__outcome="success")],
            "capibara6.routing.decision.duration": [point((1, 0.002), capibara6__routing__model="m")],
            "capibara6.routing.alternatives": [point((1, 0.0), capibara6__routing__model="m")],
        }

    @pytest.mark.parametrize("confidence", [0, 0.0, 1, 1.0])
    def test_the_ends_of_confidence(self, confidence: float, cap: Capibara, capture: Capture) -> None:
        """0 and 1 are confidences, and on the span they are numbers with a point."""
        cap.routing.record_decision("m", 0.1, confidence=confidence)

        assert typed(capture.attributes("routing decide"))["capibara6.routing.confidence"] == repr(float(confidence))
        assert capture.value("capibara6.routing.confidence") == 1

    def test_a_failure(self, cap: Capibara, capture: Capture) -> None:
        """A decision that failed is counted with its kind, and the exception goes on."""
        with pytest.raises(LookupError), cap.routing.decide():
            raise LookupError("no model")
        cap.routing.record_decision("m", 0.1, complexity="low", query_type="code", outcome="timeout")

        assert metrics(capture)["capibara6.routing.decisions"] == [
            point(1, capibara6__outcome="error", error__type="LookupError"),
            point(
                1,
                capibara6__routing__model="m",
                capibara6__routing__complexity="low",
                capibara6__routing__query_type="code",
                capibara6__outcome="timeout",
                error__type="timeout",
            ),
        ]


class TestCycle:
    """`cap.ace.cycle(…)` and `cap.ace.record_cycle(…)`."""

    @pytest.mark.parametrize("component", ["generator", "reflector", "curator"])
    def test_as_a_block(self, component: str, cap: Capibara, capture: Capture) -> None:
        """A cycle is a span, a count and a duration, with awareness and tokens before and after."""
        with cap.ace.cycle(component=component) as cycle:
            capture.clock.advance(1.5)
            cycle.aware(0.9)
            cycle.tokens(2048, 812)
        labels = {"capibara6__ace__component": component}

        assert only_span(capture) == (
            f"ace cycle {component}",
            "INTERNAL",
            "UNSET",
            typed(
                {
                    "capibara6.ace.component": component,
                    "capibara6.ace.awareness": 0.9,
                    "capibara6.ace.tokens.before": 2048,
                    "capibara6.ace.tokens.after": 812,
                    "capibara6.outcome": "success",
                }
            ),
        )
        assert metrics(capture) == {
            "capibara6.ace.cycles": [point(1, **labels, capibara6__outcome="success")],
            "capibara6.ace.cycle.duration": [point((1, 1.5), **labels)],
            "capibara6.ace.awareness": [point((1, 0.9), **labels)],
            "capibara6.ace.tokens.before": [point((1, 2048.0), **labels)],
            "capibara6.ace.tokens.after": [point((1, 812.0), **labels)],
        }

    def test_recorded(self, cap: Capibara, capture: Capture) -> None:
        """What was measured elsewhere gives the same; what is not told is not measured, zero is."""
        cap.ace.record_cycle("curator", 0.5, awareness=0, tokens_before=0)
        cap.ace.record_cycle("curator", 0.5, outcome="error", error="bad_json")

        assert metrics(capture) == {
            "capibara6.ace.cycles": [
                point(1, capibara6__ace__component="curator", capibara6__outcome="error", error__type="bad_json"),
                point(1, capibara6__ace__component="curator", capibara6__outcome="success"),
            ],
            "capibara6.ace.cycle.duration": [
                point((1, 0.5), capibara6__ace__component="curator", error__type="bad_json"),
                point((1, 0.5), capibara6__ace__component="curator"),
            ],
            "capibara6.ace.awareness": [point((1, 0.0), capibara6__ace__component="curator")],
            "capibara6.ace.tokens.before": [point((1, 0.0), capibara6__ace__component="curator")],
        }

    def test_a_timeout_in_an_asynchronous_block(self, cap: Capibara, capture: Capture) -> None:
        """A cycle that ran out of time is a timeout."""

        async def work() -> None:
            async with asyncio.timeout(0.001), cap.ace.cycle(component="reflector"):
                await asyncio.sleep(5)

        with pytest.raises(TimeoutError):
            asyncio.run(work())

        # The limit cancels the block; only outside of it the cancellation becomes a TimeoutError.
        assert capture.attributes("ace cycle reflector")["capibara6.outcome"] == "cancelled"

    def test_the_playbook(self, cap: Capibara, capture: Capture) -> None:
        """Entries are what was told last, changes add up, and what did not change is not shown."""
        cap.ace.playbook(entries=10, added=3, removed=1)
        cap.ace.playbook(entries=12, added=2)
        cap.ace.playbook()

        assert not capture.spans
        assert metrics(capture) == {
            "capibara6.ace.playbook.entries": [point(12)],
            "capibara6.ace.playbook.changes": [
                point(5, capibara6__ace__change="add"),
                point(1, capibara6__ace__change="remove"),
            ],
        }
