"""The generated names: they are the registry's, each by one constant."""

from __future__ import annotations

from types import ModuleType

import pytest

from capibara_otel.gen.code import constant
from capibara_otel.registry import load
from capibara_otel.semconv import attributes, metrics, spans
from capibara_otel.semconv.specs import AttributeSpec, MetricSpec, SpanSpec

_REGISTRY = load()


def _constants(module: ModuleType, kind: type) -> dict[str, object]:
    return {name: value for name, value in vars(module).items() if name.isupper() and isinstance(value, kind)}


def test_attributes_are_the_registrys() -> None:
    """Every attribute has its constant, which is its name, and its specification."""
    assert dict(attributes.ATTRIBUTES) == {spec.name: spec for spec in _REGISTRY.attributes}
    assert _constants(attributes, str) == {constant(spec.name): spec.name for spec in _REGISTRY.attributes}


def test_metrics_are_the_registrys() -> None:
    """Every metric has its constant, which is its specification."""
    assert set(metrics.METRICS) == set(_REGISTRY.metrics)
    assert _constants(metrics, MetricSpec) == {constant(spec.name): spec for spec in _REGISTRY.metrics}


def test_spans_are_the_registrys() -> None:
    """Every span has its constant, and shares its metrics' very specifications."""
    assert set(spans.SPANS) == set(_REGISTRY.spans)
    assert _constants(spans, SpanSpec) == {constant(spec.type): spec for spec in _REGISTRY.spans}
    assert all(any(spec.duration is metric for metric in metrics.METRICS) for spec in spans.SPANS)


@pytest.mark.parametrize("kind", ["attributes", "metrics", "spans"])
def test_constants_are_unique(kind: str) -> None:
    """No two names share a constant, for one would hide the other."""
    names: list[str] = [getattr(spec, "name", "") or spec.type for spec in getattr(_REGISTRY, kind)]

    assert len({constant(name) for name in names}) == len(names)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("capibara6.rag.index", "RAG_INDEX"),
        ("gen_ai.request.model", "GEN_AI_REQUEST_MODEL"),
        ("error.type", "ERROR_TYPE"),
    ],
)
def test_how_a_constant_is_written(name: str, written: str) -> None:
    """A constant is the name in capitals, without the prefix that all of ours have."""
    assert constant(name) == written


def test_specifications_cannot_be_changed() -> None:
    """What the registry says holds for the whole run."""
    spec: AttributeSpec = attributes.ATTRIBUTES[attributes.RAG_INDEX]

    with pytest.raises(AttributeError):
        spec.bounded = False  # type: ignore[misc]
    with pytest.raises(TypeError):
        attributes.ATTRIBUTES["x"] = spec  # type: ignore[index]


def test_the_helper_of_a_span() -> None:
    """Messages to developers name the helper they called, also where the span's type is a foreign convention's."""
    assert {spec.type: spec.call for spec in spans.SPANS} == {
        "capibara6.ace.cycle": "ace.cycle",
        "capibara6.agents.graduate": "agents.graduate",
        "capibara6.agents.interaction": "agents.interaction",
        "capibara6.agents.memory": "agents.memory",
        "capibara6.api.background": "api.background",
        "capibara6.api.request": "api.request",
        "capibara6.api.websocket": "api.websocket",
        "capibara6.business.query": "business.query",
        "capibara6.e2b.execute": "e2b.execute",
        "capibara6.e2b.sandbox": "e2b.sandbox",
        "capibara6.optimizations.apply": "optimizations.apply",
        "capibara6.optimizations.batch": "optimizations.batch",
        "capibara6.optimizations.cache": "optimizations.cache",
        "capibara6.rag.ingest": "rag.ingest",
        "capibara6.rag.search": "rag.search",
        "capibara6.routing.decide": "routing.decide",
        "gen_ai.client.embeddings": "llm.embed",
        "gen_ai.client.inference": "llm.chat",
    }
