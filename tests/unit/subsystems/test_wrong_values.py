"""Wrong values are left out, said once with what was expected, and counted; in a test run they are raised."""

from __future__ import annotations

import logging
import math
from decimal import Decimal
from typing import Any

import pytest

from capibara_otel.exceptions import UsageError
from capibara_otel.sdk import Capibara
from capibara_otel.testing import Capture
from tests.support.calls import Hostile, do
from tests.support.emitted import metrics, point, typed

_LANGUAGES = "one of python, javascript, typescript, bash, r, java, go, rust, c, cpp, sql"

# A wrong call, the helper that the message names with the argument as it was given, and what was expected.
_WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    ("rag.search", {"index": "docs", "top_k": "8"}, "rag.search(top_k='8')", "int ≥ 1, got str"),
    ("rag.search", {"index": "docs", "top_k": 0}, "rag.search(top_k=0)", "int ≥ 1, got int"),
    ("rag.search", {"index": 7}, "rag.search(index=7)", "str, got int"),
    ("rag.search.found", {"count": -1}, "rag.search.found(count=-1)", "int ≥ 0, got int"),
    ("rag.search.found", {"count": 1, "scores": [1.5]}, "rag.search.found(scores=1.5)", "number 0 to 1, got float"),
    ("rag.search.found", {"count": 1, "scores": 0.5}, "rag.search.found(scores=0.5)", "list of number 0 to 1, got float"),
    ("rag.search.found", {"count": 1, "scores": "0.5"}, "rag.search.found(scores='0.5')", "list of number 0 to 1, got str"),
    ("rag.ingest.ingested", {"documents": 1.5}, "rag.ingest.ingested(documents=1.5)", "int ≥ 0, got float"),
    ("rag.vectors", {"index": "docs", "count": math.nan}, "rag.vectors(count=nan)", "finite number ≥ 0, got float"),
    ("rag.record_search", {"index": "d", "duration_s": -0.1}, "rag.record_search(duration_s=-0.1)", "finite number ≥ 0, got float"),
    ("rag.record_search", {"index": "d", "duration_s": math.nan}, "rag.record_search(duration_s=nan)", "finite number ≥ 0, got float"),
    ("rag.record_search", {"index": "d", "duration_s": math.inf}, "rag.record_search(duration_s=inf)", "finite number ≥ 0, got float"),
    ("rag.record_search", {"index": "d", "duration_s": "1 s"}, "rag.record_search(duration_s='1 s')", "number ≥ 0, got str"),
    ("rag.record_search", {"index": "d", "duration_s": True}, "rag.record_search(duration_s=True)", "number ≥ 0, got bool"),
    ("rag.record_search", {"index": "d", "duration_s": Decimal(1)}, "rag.record_search(duration_s=Decimal('1'))", "number ≥ 0, got Decimal"),
    (
        "rag.record_search", {"index": "d", "duration_s": 1, "outcome": "ok"}, "rag.record_search(outcome='ok')",
        "one of success, error, timeout, cancelled, disconnected, abandoned, rejected, got str",
    ),
    ("rag.record_search", {"index": "d", "duration_s": 1, "error": 503}, "rag.record_search(error=503)", "exception or str, got int"),
    ("routing.decide", {"query_type": b"code"}, "routing.decide(query_type=b'code')", "str, got bytes"),
    ("routing.decide.chose", {"model": "m", "confidence": 1.01}, "routing.decide.chose(confidence=1.01)", "number 0 to 1, got float"),
    ("routing.decide.chose", {"model": "m", "confidence": -0.01}, "routing.decide.chose(confidence=-0.01)", "number 0 to 1, got float"),
    ("routing.decide.chose", {"model": "m", "confidence": math.nan}, "routing.decide.chose(confidence=nan)", "number 0 to 1, got float"),
    ("routing.decide.chose", {"model": "m", "confidence": "high"}, "routing.decide.chose(confidence='high')", "number 0 to 1, got str"),
    ("routing.decide.chose", {"model": "m", "complexity": "huge"}, "routing.decide.chose(complexity='huge')", "one of low, medium, high, got str"),
    ("routing.decide.chose", {"model": "m", "over": "n"}, "routing.decide.chose(over='n')", "list of str, got str"),
    ("routing.decide.chose", {"model": "m", "over": [1]}, "routing.decide.chose(over=[1])", "list of str, got list"),
    ("routing.decide.chose", {"model": "m", "instead_of": 1}, "routing.decide.chose(instead_of=1)", "str, got int"),
    ("ace.cycle", {"component": "judge"}, "ace.cycle(component='judge')", "one of generator, reflector, curator, got str"),
    ("ace.cycle.aware", {"score": 2}, "ace.cycle.aware(score=2)", "number 0 to 1, got int"),
    ("ace.cycle.tokens", {"before": -5}, "ace.cycle.tokens(before=-5)", "int ≥ 0, got int"),
    ("ace.playbook", {"added": -1}, "ace.playbook(added=-1)", "finite number ≥ 0, got int"),
    ("ace.playbook", {"entries": "ten"}, "ace.playbook(entries='ten')", "number ≥ 0, got str"),
    ("e2b.execute", {"language": "cobol"}, "e2b.execute(language='cobol')", f"{_LANGUAGES}, got str"),
    ("e2b.execute", {"language": "python", "timeout_s": -1}, "e2b.execute(timeout_s=-1)", "number ≥ 0, got int"),
    ("e2b.execute.exited", {"code": 300}, "e2b.execute.exited(code=300)", "int -64 to 255, got int"),
    ("e2b.execute.exited", {"timed_out": "yes"}, "e2b.execute.exited(timed_out='yes')", "bool, got str"),
    ("e2b.execute.exited", {"cpu_s": -1}, "e2b.execute.exited(cpu_s=-1)", "finite number ≥ 0, got int"),
    ("e2b.queue", {"size": "3"}, "e2b.queue(size='3')", "number ≥ 0, got str"),
    ("agents.memory", {"operation": "forget", "domain": "d"}, "agents.memory(operation='forget')", "one of read, write, delete, got str"),
    ("agents.interaction.step", {"count": "2"}, "agents.interaction.step(count='2')", "int ≥ 0, got str"),
    ("agents.graduate.graduated", {"score": 90}, "agents.graduate.graduated(score=90)", "number 0 to 1, got int"),
    ("agents.record_graduation", {"domain": "d", "graduated": 1}, "agents.record_graduation(graduated=1)", "bool, got int"),
    ("llm.chat", {"provider": "openai", "model": None, "streamed": "yes"}, "llm.chat(streamed='yes')", "bool, got str"),
    ("llm.chat", {"provider": "openai", "model": "m", "max_tokens": 1.5}, "llm.chat(max_tokens=1.5)", "int ≥ 0, got float"),
    ("llm.chat", {"provider": "openai", "model": "m", "server_port": 70000}, "llm.chat(server_port=70000)", "int 0 to 65535, got int"),
    ("llm.chat.usage", {"cached_tokens": -1}, "llm.chat.usage(cached_tokens=-1)", "int ≥ 0, got int"),
    ("llm.chat.retried", {"reason": 503}, "llm.chat.retried(reason=503)", "str, got int"),
    ("llm.chat.provider_error", {"error": 503}, "llm.chat.provider_error(error=503)", "exception or str, got int"),
    ("llm.embed", {"provider": "openai", "model": 1}, "llm.embed(model=1)", "str, got int"),
    ("llm.record_embedding", {"provider": "o", "model": "m", "duration_s": None}, "llm.record_embedding(duration_s=None)", "number ≥ 0, got NoneType"),
    ("optimizations.record_cache", {"name": "c", "result": "maybe"}, "optimizations.record_cache(result='maybe')", "one of hit, miss, stale, got str"),
    ("optimizations.cache_state", {"name": "c", "evicted": -2}, "optimizations.cache_state(evicted=-2)", "finite number ≥ 0, got int"),
    ("optimizations.batch", {"name": "b", "size": 2.0}, "optimizations.batch(size=2.0)", "int ≥ 0, got float"),
    ("optimizations.batch.waited", {"seconds": [0.1, -1]}, "optimizations.batch.waited(seconds=-1)", "finite number ≥ 0, got int"),
    ("optimizations.batch.waited", {"seconds": Hostile()}, "optimizations.batch.waited(seconds=…)", "number or list of number ≥ 0, got Hostile"),
    ("optimizations.batch_wait", {"name": "b", "seconds": -1}, "optimizations.batch_wait(seconds=-1)", "finite number ≥ 0, got int"),
    ("optimizations.apply.improved", {"share": 1.5}, "optimizations.apply.improved(share=1.5)", "number ≤ 1, got float"),
    ("business.query.satisfied", {"score": 0}, "business.query.satisfied(score=0)", "number 1 to 5, got int"),
    ("business.satisfaction", {"score": 6}, "business.satisfaction(score=6)", "finite number 1 to 5, got int"),
    ("business.kpi", {"name": "k", "value": math.inf}, "business.kpi(value=inf)", "finite number, got float"),
    ("business.users", {"tier": "pro", "active": -1}, "business.users(active=-1)", "finite number ≥ 0, got int"),
    ("api.record_request", {"method": "GET", "route": "/", "status_code": 99, "duration_s": 1}, "api.record_request(status_code=99)", "int 100 to 599, got int"),
    ("api.record_request", {"method": "GET", "route": 7, "status_code": 200, "duration_s": 1}, "api.record_request(route=7)", "str, got int"),
    ("api.request.responded", {"status_code": 200, "first_byte_s": -1}, "api.request.responded(first_byte_s=-1)", "finite number ≥ 0, got int"),
    ("api.request.sizes", {"request": "1 kB"}, "api.request.sizes(request='1 kB')", "int ≥ 0, got str"),
    ("api.request", {"method": "GET", "attributes": ["a"]}, "api.request(attributes=['a'])", "mapping, got list"),
    ("api.request", {"method": "GET", "attributes": {"no.such": 1}}, "api.request(attribute='no.such')", "a name of the registry, got str"),
    ("api.exception", {"error": 5}, "api.exception(error=5)", "exception or str, got int"),
    ("api.exception", {"error": ValueError(), "route": 5}, "api.exception(route=5)", "str, got int"),
    ("api.websocket.message", {"direction": "up"}, "api.websocket.message(direction='up')", "one of receive, send, got str"),
    ("system.record_load", {"one": 1, "five": "a", "fifteen": 1}, "system.record_load(five='a')", "number ≥ 0, got str"),
    ("system.record_gc", {"generation": 3, "duration_s": 1, "collected": 1}, "system.record_gc(generation=3)", "int 0 to 2, got int"),
    ("system.record_gc", {"generation": 2, "duration_s": -1, "collected": 1}, "system.record_gc(duration_s=-1)", "finite number ≥ 0, got int"),
    ("system.record_cpu", {"percent": None}, "system.record_cpu(percent=None)", "number ≥ 0, got NoneType"),
    ("system.record_memory", {"used": 10**400}, f"system.record_memory(used={'1' + '0' * 59}…)", "finite number ≥ 0, got int"),
    ("rag.search", {"index": "docs", "top_k": 2**63}, "rag.search(top_k=9223372036854775808)", "int ≥ 1, got int"),
]  # fmt: skip


def _message(given: str, expected: str) -> str:
    return (
        f"capibara_otel: cap.{given} expects {expected}; "
        "the value was left out (counted in capibara6_telemetry_invalid_total)"
    )


@pytest.mark.parametrize(("call", "arguments", "given", "expected"), _WRONG, ids=[case[2] for case in _WRONG])
class TestWrongValues:
    """Of each kind: wrong type, unknown word, not finite, out of bounds."""

    def test_they_raise_in_a_test_run(
        self, call: str, arguments: dict[str, Any], given: str, expected: str, cap: Capibara, capture: Capture
    ) -> None:
        """Where tests run the mistake is raised, and says the call, the value and what was expected."""
        with pytest.raises(UsageError) as raised:
            do(cap, call, arguments)

        assert str(raised.value) == _message(given, expected)

    @pytest.mark.usefixtures("quiet")
    def test_they_are_said_once_and_counted_always(
        self,
        call: str,
        arguments: dict[str, Any],
        given: str,
        expected: str,
        cap: Capibara,
        capture: Capture,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """Elsewhere the caller goes on; one warning per call and argument, and a count for every value."""
        with caplog.at_level(logging.WARNING, logger="capibara_otel"):
            do(cap, call, arguments)
            once = capture.value("capibara6.telemetry.invalid", {"capibara6.telemetry.call": given.partition("(")[0]})
            do(cap, call, arguments)
        twice = capture.value("capibara6.telemetry.invalid", {"capibara6.telemetry.call": given.partition("(")[0]})

        assert [record.getMessage() for record in caplog.records] == [_message(given, expected)]
        assert [record.name for record in caplog.records] == ["capibara_otel"]
        assert once >= 1
        assert twice == 2 * once
        assert capture.value("capibara6.telemetry.invalid") == twice


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("e2b.execute.waited", {"seconds": None}),
        ("rag.search", {"index": None, "top_k": None, "query": None}),
        ("routing.decide.chose", {"model": "m", "confidence": None, "over": None}),
        ("llm.chat", {"provider": "openai", "model": "m", "messages": None, "temperature": None}),
        ("api.request", {"method": "GET", "path": "", "attributes": None}),
        ("rag.record_search", {"index": "d", "duration_s": 1, "results": None, "outcome": None, "error": None}),
    ],
)
def test_none_is_not_given(call: str, arguments: dict[str, Any], cap: Capibara, capture: Capture) -> None:
    """None is no value at all: nothing is recorded for it and nothing is said."""
    do(cap, call, arguments)

    assert capture.value("capibara6.telemetry.invalid") == 0


@pytest.mark.usefixtures("quiet")
def test_only_the_wrong_value_is_left_out(cap: Capibara, capture: Capture) -> None:
    """What was right in the same call is recorded, and the operation goes on."""
    with cap.routing.decide(query_type=5) as decision:  # type: ignore[arg-type]
        decision.chose("m", complexity="huge", confidence=math.nan, over=["n"])

    assert typed(capture.attributes("routing decide")) == typed(
        {
            "capibara6.routing.model": "m",
            "capibara6.routing.alternatives": ("n",),
            "capibara6.outcome": "success",
        }
    )
    assert metrics(capture) == {
        "capibara6.routing.decisions": [point(1, capibara6__routing__model="m", capibara6__outcome="success")],
        "capibara6.routing.decision.duration": [point((1, 0.0), capibara6__routing__model="m")],
        "capibara6.routing.alternatives": [point((1, 1.0), capibara6__routing__model="m")],
        "capibara6.telemetry.invalid": [
            point(1, capibara6__telemetry__call="routing.decide"),
            point(2, capibara6__telemetry__call="routing.decide.chose"),
        ],
    }


@pytest.mark.parametrize("duration", [-1, math.nan, math.inf, "1", None])
@pytest.mark.usefixtures("quiet")
def test_work_of_a_wrong_duration_is_not_recorded(duration: Any, cap: Capibara, capture: Capture) -> None:
    """Nobody knows when it happened, so there is neither a span nor a count of it."""
    cap.rag.record_search("docs", duration, results=1)

    assert not capture.spans
    assert capture.metric_names == {"capibara6.telemetry.invalid"}


@pytest.mark.usefixtures("quiet")
def test_each_argument_is_said_once(cap: Capibara, capture: Capture, caplog: pytest.LogCaptureFixture) -> None:
    """A second wrong argument of the same call is said too; another instance says its own."""
    with caplog.at_level(logging.WARNING, logger="capibara_otel"):
        for top_k in (0, -1, "x"):
            cap.rag.search(index="docs", top_k=top_k).record(1)  # type: ignore[arg-type]
        cap.rag.search(index=1).record(1)  # type: ignore[arg-type]
        Capibara().rag.search(index="docs", top_k=0)

    assert [record.getMessage().partition(" expects")[0] for record in caplog.records] == [
        "capibara_otel: cap.rag.search(top_k=0)",
        "capibara_otel: cap.rag.search(index=1)",
        "capibara_otel: cap.rag.search(top_k=0)",
    ]
    assert capture.value("capibara6.telemetry.invalid") == 4


@pytest.mark.usefixtures("quiet")
def test_a_wrong_value_is_not_told_with_its_secrets(
    cap: Capibara, capture: Capture, caplog: pytest.LogCaptureFixture
) -> None:
    """The warning shows a short form of the value, secrets masked."""
    cap.rag.search(index={"api_key": "sk-abcdefghijklmnopqrstuvwx12345", "text": "x" * 500})  # type: ignore[arg-type]

    (record,) = caplog.records
    assert "sk-abc" not in record.getMessage()
    assert len(record.getMessage()) < 250
