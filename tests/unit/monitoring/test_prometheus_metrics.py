"""The calls that existing code makes."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from capibara_otel.monitoring.prometheus_metrics import PrometheusMetrics
from capibara_otel.sdk import Capibara
from capibara_otel.testing import Capture
from tests.support.emitted import metrics, point

# As existing code has it, with only the package's name before it changed.
_SNIPPET = """\
from capibara_otel.monitoring.prometheus_metrics import get_prometheus_metrics
metrics = get_prometheus_metrics()
metrics.record_api_request("POST", "/api/v1/query", 200, 0.5)          # method, endpoint, status, seconds
metrics.record_routing_request("capibara6-20b", "medium", 0.1, 0.85)   # model, complexity, seconds, confidence
metrics.record_ace_cycle("generator", "success", 1.2, 0.9)             # component, status, seconds, awareness
text = metrics.get_metrics()                                           # Prometheus text
"""

_OK = {"capibara6__outcome": "success"}
_FAILED = {"capibara6__outcome": "error", "error__type": "error"}
_POST = {"http__request__method": "POST", "http__route": "/q", "http__response__status_code": 200}
_ROUTED = {"capibara6__routing__model": "m", "capibara6__routing__complexity": "low"}
_ACE = {"capibara6__ace__component": "curator"}
_PYTHON = {"capibara6__e2b__language": "python"}
_DOCS = {"capibara6__rag__index": "docs"}
_DOMAIN = {"capibara6__agents__domain": "code"}
_LLM = {"gen_ai__operation__name": "chat", "gen_ai__provider__name": "openai", "gen_ai__request__model": "m"}
_CACHE = {"capibara6__cache__name": "answers"}
_BATCH = {"capibara6__batch__name": "b"}
_OPTIMIZATION = {"capibara6__optimizations__name": "o"}
_QUERY = {"capibara6__business__query_type": "code", "capibara6__business__tier": "pro"}

# A call, and every metric it moves.
_CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("record_api_request", ("POST", "/q", 200, 0.5, 10, 20), {
        "capibara6.api.requests": [point(1, **_POST, **_OK)],
        "capibara6.api.request.duration": [point((1, 0.5), **_POST, **_OK)],
        "capibara6.api.requests.active": [point(0, http__request__method="POST")],
        "capibara6.api.request.body.size": [point((1, 10.0), http__request__method="POST", http__route="/q")],
        "capibara6.api.response.body.size": [point((1, 20.0), http__request__method="POST", http__route="/q")],
    }),
    ("record_routing_request", ("m", "low", 0.1, 0.85), {
        "capibara6.routing.decisions": [point(1, **_ROUTED, **_OK)],
        "capibara6.routing.decision.duration": [point((1, 0.1), **_ROUTED)],
        "capibara6.routing.confidence": [point((1, 0.85), **_ROUTED)],
    }),
    ("record_routing_fallback", ("m", "n", "unhealthy", 0.2), {
        "capibara6.routing.decisions": [point(1, capibara6__routing__model="m", **_OK)],
        "capibara6.routing.decision.duration": [point((1, 0.2), capibara6__routing__model="m")],
        "capibara6.routing.fallbacks": [point(
            1, capibara6__routing__model="m", capibara6__routing__fallback__from="n",
            capibara6__routing__fallback__reason="unhealthy",
        )],
    }),
    ("record_ace_cycle", ("curator", "success", 1.2, 0.9, 20, 10), {
        "capibara6.ace.cycles": [point(1, **_ACE, **_OK)],
        "capibara6.ace.cycle.duration": [point((1, 1.2), **_ACE)],
        "capibara6.ace.awareness": [point((1, 0.9), **_ACE)],
        "capibara6.ace.tokens.before": [point((1, 20.0), **_ACE)],
        "capibara6.ace.tokens.after": [point((1, 10.0), **_ACE)],
    }),
    ("record_e2b_execution", ("python", "error", 2, 1), {
        "capibara6.e2b.executions": [point(1, **_PYTHON, capibara6__outcome="error", error__type="exit_1")],
        "capibara6.e2b.execution.duration": [point((1, 2.0), **_PYTHON, capibara6__outcome="error", error__type="exit_1")],
        "capibara6.e2b.exits": [point(1, **_PYTHON, capibara6__e2b__exit_code=1)],
    }),
    ("record_rag_search", ("docs", 0.03, 2, [0.5, 0.7]), {
        "capibara6.rag.searches": [point(1, **_DOCS, capibara6__rag__hit=True, **_OK)],
        "capibara6.rag.search.duration": [point((1, 0.03), **_DOCS)],
        "capibara6.rag.results": [point((1, 2.0), **_DOCS)],
        "capibara6.rag.relevance": [point((2, 1.2), **_DOCS)],
    }),
    ("record_rag_ingest", ("docs", 3, 1.5, 9), {
        "capibara6.rag.ingest.duration": [point((1, 1.5), **_DOCS)],
        "capibara6.rag.documents.ingested": [point(3, **_DOCS, **_OK)],
        "capibara6.rag.chunks.ingested": [point(9, **_DOCS)],
    }),
    ("set_rag_vectors", ("docs", 100), {"capibara6.rag.vectors": [point(100, **_DOCS)]}),
    ("record_agent_interaction", ("code", "failed", 2, 100, 3), {
        "capibara6.agents.interactions": [point(1, **_DOMAIN, **_FAILED)],
        "capibara6.agents.task.duration": [point((1, 2.0), **_DOMAIN, error__type="error")],
        "capibara6.agents.memory.size": [point((1, 100.0), **_DOMAIN)],
        "capibara6.agents.steps": [point((1, 3.0), **_DOMAIN)],
    }),
    ("record_agent_graduation", ("code", 0.9), {
        "capibara6.agents.graduations": [point(1, **_DOMAIN, **_OK)],
        "capibara6.agents.graduation.duration": [point((1, 0.0), **_DOMAIN)],
    }),
    ("set_active_agents", ("code", 4), {"capibara6.agents.active": [point(4, **_DOMAIN)]}),
    ("record_llm_call", ("openai", "m", "ok", 2, 5, 7), {
        "capibara6.llm.calls": [point(1, **_LLM, **_OK)],
        "capibara6.llm.calls.active": [point(0, **_LLM)],
        "gen_ai.client.inference.duration": [point((1, 2.0), **_LLM)],
        "gen_ai.client.inference.operation.input_tokens": [point((1, 5.0), **_LLM)],
        "gen_ai.client.inference.operation.output_tokens": [point((1, 7.0), **_LLM)],
        "gen_ai.client.inference.usage.input_tokens": [point(5, **_LLM, gen_ai__token__modality="text")],
        "gen_ai.client.inference.usage.output_tokens": [point(7, **_LLM, gen_ai__token__modality="text")],
    }),
    ("record_cache_request", ("answers", True, 0.001), {
        "capibara6.cache.requests": [point(1, **_CACHE, capibara6__cache__result="hit", **_OK)],
        "capibara6.cache.lookup.duration": [point((1, 0.001), **_CACHE)],
        "capibara6.cache.hit.rate": [point(1.0, **_CACHE)],
    }),
    ("record_batch", ("b", 4, 0.5, 0.1), {
        "capibara6.batch.processing.duration": [point((1, 0.5), **_BATCH, **_OK)],
        "capibara6.batch.size": [point((1, 4.0), **_BATCH)],
        "capibara6.batch.wait.duration": [point((1, 0.1), **_BATCH)],
    }),
    ("record_optimization", ("o", "completed", 0.35, 0.1), {
        "capibara6.optimizations.operations": [point(1, **_OPTIMIZATION, **_OK)],
        "capibara6.optimizations.duration": [point((1, 0.1), **_OPTIMIZATION)],
        "capibara6.optimizations.improvement": [point((1, 0.35), **_OPTIMIZATION)],
    }),
    ("record_business_query", ("code", "pro", 3, 4), {
        "capibara6.business.queries": [point(1, **_QUERY, **_OK)],
        "capibara6.business.query.duration": [point((1, 3.0), **_QUERY)],
        "capibara6.business.satisfaction": [point((1, 4.0), **_QUERY)],
    }),
    ("set_active_users", ("pro", 12), {"capibara6.business.users.active": [point(12, capibara6__business__tier="pro")]}),
    ("set_kpi", ("accepted", -0.5), {"capibara6.business.kpi": [point(-0.5, capibara6__business__kpi="accepted")]}),
    ("record_system", (12.5, 4096), {
        "capibara6.system.cpu.usage": [point(12.5)],
        "capibara6.system.memory.usage": [point(4096)],
    }),
]  # fmt: skip


@pytest.fixture(name="cap")
def _cap() -> Capibara:
    """An instance that nobody else uses."""
    return Capibara()


@pytest.fixture(name="capture")
def _capture(cap: Capibara) -> Iterator[Capture]:
    """Everything that instance emits."""
    with Capture(cap) as capture:
        yield capture


@pytest.mark.parametrize(("call", "arguments", "moved"), _CALLS, ids=[call for call, *_ in _CALLS])
def test_each_call_moves_its_metrics(
    call: str, arguments: tuple[Any, ...], moved: dict[str, Any], cap: Capibara, capture: Capture
) -> None:
    """With all its arguments a call moves exactly these metrics, through the same helpers as new code."""
    getattr(PrometheusMetrics(cap), call)(*arguments)

    assert metrics(capture) == {name: moved[name] for name in sorted(moved)}


def test_every_call_is_tried() -> None:
    """A new call is noticed here until it is in the table above."""
    calls = {name for name, _ in inspect.getmembers(PrometheusMetrics, inspect.isfunction) if not name.startswith("_")}

    assert calls == {call for call, *_ in _CALLS} | {"get_metrics"}


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("record_api_request", ("GET", "/", 200, 0.1)),
        ("record_routing_fallback", ("m", "n", "unhealthy")),
        ("record_ace_cycle", ("curator", "success", 1)),
        ("record_e2b_execution", ("python", "success", 1)),
        ("record_rag_search", ("docs", 1)),
        ("record_rag_ingest", ("docs", 1, 1)),
        ("record_agent_interaction", ("code", "success", 1)),
        ("record_agent_graduation", ("code",)),
        ("record_llm_call", ("openai", "m", "success", 1)),
        ("record_cache_request", ("answers", False)),
        ("record_batch", ("b", 1, 1)),
        ("record_optimization", ("o",)),
        ("record_business_query", ("code", "pro", 1)),
    ],
)
def test_what_may_be_left_out(call: str, arguments: tuple[Any, ...], cap: Capibara, capture: Capture) -> None:
    """Each call works with its first arguments only; what is not given is not measured."""
    getattr(PrometheusMetrics(cap), call)(*arguments)

    (expected,) = [moved for name, _, moved in _CALLS if name == call]
    assert capture.metric_names
    assert capture.metric_names <= set(expected)


def test_a_duration_that_is_left_out(cap: Capibara, capture: Capture) -> None:
    """Where the duration may be left out it is nothing."""
    facade = PrometheusMetrics(cap)
    facade.record_routing_fallback("m", "n", "unhealthy")
    facade.record_cache_request("answers", hit=True)
    facade.record_optimization("o")

    for name in ("routing.decision.duration", "cache.lookup.duration", "optimizations.duration"):
        ((_, value),) = metrics(capture)[f"capibara6.{name}"]
        assert value == (1, 0.0), name


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("success", "success"),
        ("ok", "success"),
        ("completed", "success"),
        ("error", "error"),
        ("failed", "error"),
        ("failure", "error"),
        ("timeout", "timeout"),
        ("cancelled", "cancelled"),
    ],
)
def test_words_for_outcomes(status: str, outcome: str, cap: Capibara, capture: Capture) -> None:
    """Words that existing code uses become outcomes of the registry."""
    facade = PrometheusMetrics(cap)
    facade.record_ace_cycle("generator", status, 1)
    facade.record_e2b_execution("python", status, 1)
    facade.record_agent_interaction("code", status, 1)
    facade.record_llm_call("openai", "m", status, 1)
    facade.record_optimization("o", status)

    for name in ("ace.cycles", "e2b.executions", "agents.interactions", "llm.calls", "optimizations.operations"):
        assert capture.value(f"capibara6.{name}", {"capibara6.outcome": outcome}) == 1, name


def test_a_miss(cap: Capibara, capture: Capture) -> None:
    """A look-up that did not hit lowers the rate."""
    facade = PrometheusMetrics(cap)
    for hit in (True, False, False, False):
        facade.record_cache_request("answers", hit)

    assert capture.value("capibara6.cache.hit.rate") == 0.25


def _run(program: str, tmp_path: Path, **more: str) -> str:
    """Run a program as a user would, with nothing configured."""
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "CAPIBARA_", "PYTEST_"))
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path,
        env=environ | more,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_existing_code(tmp_path: Path) -> None:
    """The code as it stands runs without any set-up, and its metrics are in the text under their fixed names."""
    page = _run(f"{_SNIPPET}\nimport sys; sys.stdout.write(text)", tmp_path)
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page[page.index("# HELP") :])
        for sample in family.samples
        if "le" not in sample.labels
    }

    post = (("http_request_method", "POST"), ("http_response_status_code", "200"), ("http_route", "/api/v1/query"))
    routed = (("capibara6_routing_complexity", "medium"), ("capibara6_routing_model", "capibara6-20b"))
    ace = ("capibara6_ace_component", "generator")
    ok = ("capibara6_outcome", "success")
    assert samples[("capibara6_api_requests_total", ok, *post)] == 1
    assert samples[("capibara6_api_request_duration_seconds_sum", ok, *post)] == 0.5
    assert samples[("capibara6_routing_decisions_total", ok, *routed)] == 1
    assert samples[("capibara6_routing_confidence_sum", *routed)] == 0.85
    assert samples[("capibara6_ace_cycles_total", ace, ok)] == 1
    assert samples[("capibara6_ace_cycle_duration_seconds_sum", ace)] == 1.2
    assert samples[("capibara6_ace_awareness_sum", ace)] == 0.9


def test_the_metrics_are_the_default_instances(tmp_path: Path) -> None:
    """Old calls and new helpers add up in one place; asking twice gives the same, and configures once."""
    page = _run(
        "import capibara_otel as cap\n"
        "from capibara_otel.monitoring.prometheus_metrics import get_prometheus_metrics\n"
        "cap.configure(service_name='mine', log_level='error')\n"
        "metrics = get_prometheus_metrics()\n"
        "assert metrics is get_prometheus_metrics()\n"
        "metrics.record_rag_search('docs', 0.1)\n"
        "cap.rag.record_search('docs', 0.1)\n"
        "print(metrics.get_metrics())\n",
        tmp_path,
    )

    assert 'capibara6_rag_searches_total{capibara6_outcome="success",capibara6_rag_index="docs"} 2.0' in page
    assert 'service_name="mine"' in page
