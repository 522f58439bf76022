"""`cap.business` and `cap.system`: what the product is used for, and what it runs on."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from capibara_otel.sdk import Capibara
from capibara_otel.testing import Capture
from tests.support.emitted import metrics, only_span, point, typed

_CODE = {"capibara6__business__query_type": "code"}
_PRO = {"capibara6__business__tier": "pro"}
_OK = {"capibara6__outcome": "success"}


class TestQuery:
    """`cap.business.query(…)` and `cap.business.record_query(…)`."""

    def test_as_a_block(self, cap: Capibara, capture: Capture) -> None:
        """A query is a span, a count and a duration by kind and tier, and the score the user gave."""
        with cap.business.query(query_type="code", tier="pro") as query:
            capture.clock.advance(4)
            query.satisfied(5)

        assert only_span(capture) == (
            "business query code",
            "INTERNAL",
            "UNSET",
            typed(
                {
                    "capibara6.business.query_type": "code",
                    "capibara6.business.tier": "pro",
                    "capibara6.business.satisfaction": 5.0,
                    "capibara6.outcome": "success",
                }
            ),
        )
        assert metrics(capture) == {
            "capibara6.business.queries": [point(1, **_CODE, **_PRO, **_OK)],
            "capibara6.business.query.duration": [point((1, 4.0), **_CODE, **_PRO)],
            "capibara6.business.satisfaction": [point((1, 5.0), **_CODE, **_PRO)],
        }

    def test_as_an_asynchronous_decorator(self, cap: Capibara, capture: Capture) -> None:
        """A decorated coroutine is a query per call; one that fails is counted so."""

        @cap.business.query(query_type="code")
        async def answer(question: str) -> str:
            await asyncio.sleep(0)
            if not question:
                raise ValueError("nothing asked")
            return question.upper()

        assert asyncio.run(answer("x")) == "X"
        with pytest.raises(ValueError, match="nothing asked"):
            asyncio.run(answer(""))

        assert metrics(capture)["capibara6.business.queries"] == [
            point(1, **_CODE, capibara6__outcome="error", error__type="ValueError"),
            point(1, **_CODE, **_OK),
        ]

    def test_recorded(self, cap: Capibara, capture: Capture) -> None:
        """What was measured elsewhere gives the same, a score given afterwards too."""
        cap.business.record_query("code", 2, tier="pro", satisfaction=1, outcome="timeout")
        cap.business.satisfaction(4.5, query_type="code", tier="pro")
        cap.business.satisfaction(3)
        how = {"error__type": "timeout"}

        assert len(capture.spans) == 1
        assert metrics(capture) == {
            "capibara6.business.queries": [point(1, **_CODE, **_PRO, capibara6__outcome="timeout", **how)],
            "capibara6.business.query.duration": [point((1, 2.0), **_CODE, **_PRO, **how)],
            "capibara6.business.satisfaction": [point((2, 5.5), **_CODE, **_PRO), point((1, 3.0))],
        }


def test_users_and_key_figures(cap: Capibara, capture: Capture) -> None:
    """Users by tier and key figures are what was told last; a figure may be negative."""
    cap.business.users(tier="pro", active=10)
    cap.business.users(tier="pro", active=8)
    cap.business.users(tier="free", active=0)
    cap.business.kpi("growth", -0.25)
    cap.business.kpi("accepted", 3)

    assert not capture.spans
    assert metrics(capture) == {
        "capibara6.business.users.active": [point(0, capibara6__business__tier="free"), point(8, **_PRO)],
        "capibara6.business.kpi": [
            point(3, capibara6__business__kpi="accepted"),
            point(-0.25, capibara6__business__kpi="growth"),
        ],
    }


class TestSystem:
    """`cap.system`."""

    def test_gauges(self, cap: Capibara, capture: Capture) -> None:
        """Use and limits of machine and process are what was told last."""
        cap.system.record_cpu(99)
        cap.system.record_cpu(12.5)
        cap.system.record_memory(1000, 4000)
        cap.system.record_disk("/", 10, 20)
        cap.system.record_disk("/var", 5)
        cap.system.record_load(0.5, 1.5, 2)
        cap.system.record_process(cpu_percent=150, memory=77, threads=9, file_descriptors=30, uptime_s=60)

        assert not capture.spans
        assert metrics(capture) == {
            "capibara6.system.cpu.usage": [point(12.5)],
            "capibara6.system.memory.usage": [point(1000)],
            "capibara6.system.memory.limit": [point(4000)],
            "capibara6.system.disk.usage": [
                point(10, capibara6__system__mountpoint="/"),
                point(5, capibara6__system__mountpoint="/var"),
            ],
            "capibara6.system.disk.limit": [point(20, capibara6__system__mountpoint="/")],
            "capibara6.system.load": [
                point(2, capibara6__system__window="15m"),
                point(0.5, capibara6__system__window="1m"),
                point(1.5, capibara6__system__window="5m"),
            ],
            "capibara6.process.cpu.usage": [point(150)],
            "capibara6.process.memory.usage": [point(77)],
            "capibara6.process.threads": [point(9)],
            "capibara6.process.file_descriptors": [point(30)],
            "capibara6.process.uptime": [point(60)],
        }

    def test_what_is_not_known_is_not_shown(self, cap: Capibara, capture: Capture) -> None:
        """Limits, descriptors and uptime may be missing."""
        cap.system.record_memory(1)
        cap.system.record_process(cpu_percent=1, memory=1, threads=1)

        assert capture.metric_names == {
            "capibara6.system.memory.usage",
            "capibara6.process.cpu.usage",
            "capibara6.process.memory.usage",
            "capibara6.process.threads",
        }

    def test_counters(self, cap: Capibara, capture: Capture) -> None:
        """What moved since the last call adds up, by direction."""
        for _ in range(2):
            cap.system.record_disk_io(read=10, written=1)
            cap.system.record_network(received=5, sent=0)

        assert metrics(capture) == {
            "capibara6.system.disk.io": [
                point(20, capibara6__system__direction="read"),
                point(2, capibara6__system__direction="write"),
            ],
            "capibara6.system.network.io": [
                point(10, capibara6__system__direction="receive"),
                point(0, capibara6__system__direction="transmit"),
            ],
        }

    def test_garbage_collections(self, cap: Capibara, capture: Capture) -> None:
        """A collection is counted with its time and what it freed, by generation."""
        cap.system.record_gc(0, 0.001, 10)
        cap.system.record_gc(2, 0.1, 0)
        cap.system.record_gc(2, 0.2, 5)

        assert metrics(capture) == {
            "capibara6.gc.duration": [point((1, 0.001), cpython__gc__generation=0), point((2, 0.3), cpython__gc__generation=2)],
            "capibara6.gc.collections": [point(1, cpython__gc__generation=0), point(2, cpython__gc__generation=2)],
            "capibara6.gc.objects.collected": [point(10, cpython__gc__generation=0), point(5, cpython__gc__generation=2)],
        }  # fmt: skip

    def test_the_event_loop(self, cap: Capibara, capture: Capture) -> None:
        """A loop that was blocked shows as lag; the watch ends when it is cancelled."""

        async def block() -> None:
            watch = asyncio.create_task(cap.system.watch_event_loop(0.01))
            await asyncio.sleep(0.03)
            time.sleep(0.2)  # noqa: ASYNC251 - blocking the loop is the point
            await asyncio.sleep(0.03)
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch

        asyncio.run(block())

        (lag,) = capture.points("capibara6.event_loop.lag")
        assert lag.max >= 0.1  # type: ignore[union-attr]
        assert lag.min >= 0  # type: ignore[union-attr]
        assert capture.value("capibara6.event_loop.lag") >= 2
