"""The registry that is shipped."""

from __future__ import annotations

from collections import Counter

import pytest

from capibara_otel.registry import check, load
from capibara_otel.registry.load import FOLDER
from capibara_otel.semconv.specs import AttributeSpec, MetricSpec, SpanSpec

_REGISTRY = load()
_AREAS = {
    "api", "routing", "ace", "e2b", "rag", "agents", "llm", "optimizations", "business", "system", "telemetry",
}  # fmt: skip


def test_it_has_no_findings() -> None:
    """What is shipped is sound."""
    assert check(_REGISTRY) == []


def test_it_has_a_file_per_area() -> None:
    """Each area has its file; what areas share and the pinned GenAI names have theirs."""
    assert {path.stem for path in FOLDER.glob("*.yaml")} == _AREAS | {"common", "upstream_gen_ai"}


def test_it_covers_every_area() -> None:
    """At least 70 metrics, without counting old names, and some in every area."""
    counted = Counter(spec.subsystem for spec in _REGISTRY.metrics if not spec.legacy)

    assert counted.total() >= 70
    assert set(counted) == _AREAS


@pytest.mark.parametrize("spec", _REGISTRY.metrics, ids=lambda spec: spec.name)
def test_a_metric_is_complete(spec: MetricSpec) -> None:
    """Each metric says what it is, in which unit, who emits it and which bounded attributes it may carry."""
    attributes = [_REGISTRY.attribute(name) for name in spec.attributes]

    assert spec.brief.endswith(".")
    assert spec.unit
    assert spec.subsystem in _AREAS
    assert all(attribute is not None and attribute.bounded and not attribute.content for attribute in attributes)
    assert bool(spec.buckets) == (spec.instrument == "histogram")
    assert not spec.buckets or spec.maximum is None or spec.buckets[-1] == spec.maximum


@pytest.mark.parametrize("spec", _REGISTRY.spans, ids=lambda spec: spec.type)
def test_a_span_is_complete(spec: SpanSpec) -> None:
    """Each span measures its time, and its metrics' labels are attributes it carries or every operation has."""
    allowed = {*spec.attributes, "capibara6.outcome", "error.type"}

    assert spec.duration is not None
    for metric in (spec.count, spec.duration, spec.active):
        assert metric is None or set(metric.attributes) <= allowed, metric


@pytest.mark.parametrize("spec", [spec for spec in _REGISTRY.attributes if spec.content], ids=lambda spec: spec.name)
def test_content_is_never_bounded(spec: AttributeSpec) -> None:
    """What users and models wrote can be no label."""
    assert not spec.bounded


def test_what_travels_in_the_context() -> None:
    """Each keyword of `context()` is one attribute, which is unbounded and so on no metric."""
    travelling = {spec.context: spec for spec in _REGISTRY.attributes if spec.context}

    assert {keyword: spec.name for keyword, spec in travelling.items()} == {
        "user_id": "user.id",
        "session_id": "session.id",
        "tenant": "capibara6.tenant.id",
        "request_id": "capibara6.request.id",
        "conversation_id": "gen_ai.conversation.id",
        "agent": "gen_ai.agent.name",
    }
    assert not any(spec.bounded for spec in travelling.values())
