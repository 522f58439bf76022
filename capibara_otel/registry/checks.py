"""What the registry must not contain. Each finding has an id, a place and a plain message with the mend."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from capibara_otel.registry.load import Registry
from capibara_otel.semconv import promnames
from capibara_otel.semconv.specs import AttributeSpec, MetricSpec, SpanSpec


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One fault in the registry."""

    place: str
    id: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: [{self.id}] {self.message}"


# The UCUM units of telemetry: dimensionless, time, bytes, percent and friends, or an annotation in braces;
# a `/` joins two of them (https://ucum.org, OpenTelemetry's metric conventions, "Instrument units").
_UNIT: Final = r"(?:1|%|\{[A-Za-z0-9_.]+\}|(?:[numkMG]?s)|min|h|d|[KMGT]i?By|By|bit|[kMG]?Hz|Cel|[kM]?W|J|V|A|m|g)"
_UCUM: Final = re.compile(rf"{_UNIT}(?:/{_UNIT})?")
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:[._][a-z0-9]+)*")
_AREAS: Final = ("capibara6.", "gen_ai.")
_KINDS: Final = {AttributeSpec: "attribute", MetricSpec: "metric", SpanSpec: "span"}


def check(registry: Registry) -> list[Finding]:
    """Judge a registry.

    Returns:
        Every finding, ordered by place; empty when all is well.
    """
    findings = [finding for rule in _RULES for finding in rule(registry)]
    return sorted(set(findings))


def _all(registry: Registry) -> Iterator[tuple[str, AttributeSpec | MetricSpec | SpanSpec]]:
    for attribute in registry.attributes:
        yield attribute.name, attribute
    for metric in registry.metrics:
        yield metric.name, metric
    for span in registry.spans:
        yield span.type, span


def _briefs(registry: Registry) -> Iterator[Finding]:
    for name, spec in _all(registry):
        if not spec.brief:
            yield Finding(registry.place(spec), "brief_required", f"{name} has no brief; say in a sentence what it is")
        elif not spec.brief.endswith("."):
            yield Finding(registry.place(spec), "brief_sentence", f"the brief of {name} must end with a full stop")


def _names(registry: Registry) -> Iterator[Finding]:
    for name, spec in _all(registry):
        if not _NAME.fullmatch(name):
            yield Finding(registry.place(spec), "name_form", f"{name!r} must be lower case words joined by . or _")
    places: dict[tuple[str, str], list[str]] = {}
    for name, spec in _all(registry):
        places.setdefault((_KINDS[type(spec)], name), []).append(registry.place(spec))
    for (kind, name), where in places.items():
        if len(where) > 1:
            yield Finding(where[-1], "name_twice", f"{kind} {name} is declared {len(where)} times: {', '.join(where)}")


def _references(registry: Registry) -> Iterator[Finding]:
    for name, spec in _all(registry):
        if isinstance(spec, AttributeSpec):
            continue
        for ref in spec.attributes:
            if registry.attribute(ref) is None:
                yield Finding(
                    registry.place(spec), "undefined_ref", f"{name} refers to {ref}, which is declared nowhere"
                )
        for ref, count in Counter(spec.attributes).items():
            if count > 1:
                yield Finding(registry.place(spec), "ref_twice", f"{name} refers to {ref} {count} times")


def _span_metrics(registry: Registry) -> Iterator[Finding]:
    for span in registry.spans:
        for ref in registry.metric_refs.get(id(span), ()):
            if registry.metric(ref) is None:
                yield Finding(
                    registry.place(span),
                    "undefined_metric",
                    f"{span.type} asks for the metric {ref}, which is declared nowhere",
                )
        if span.target and span.target not in span.attributes:
            yield Finding(
                registry.place(span),
                "undefined_target",
                f"{span.type} is named after {span.target}, which it does not carry",
            )


def _metrics(registry: Registry) -> Iterator[Finding]:
    for spec in registry.metrics:
        place = registry.place(spec)
        if not _UCUM.fullmatch(spec.unit):
            yield Finding(
                place,
                "unit_not_ucum",
                f"{spec.name} has unit {spec.unit!r}; use a UCUM unit such as s, By, %, 1 or {{request}}",
            )
        if spec.unit == "1" and spec.instrument == "gauge":
            yield Finding(
                place,
                "gauge_unit_one",
                f"{spec.name} is a gauge with unit 1, which Prometheus calls …_ratio and the in-process endpoint does not; use {{ratio}}",
            )
        words = re.split(r"[._]", spec.name)
        if spec.instrument == "counter" and words[-1] == "total":
            yield Finding(
                place, "counter_named_total", f"{spec.name} is a counter; Prometheus adds _total, leave it out"
            )
        elif spec.instrument != "gauge" and "total" in words:
            yield Finding(
                place,
                "inner_total",
                f"{spec.name} has the word total inside, which Prometheus moves or drops; name it otherwise",
            )
        if "/" in spec.unit and not spec.unit.endswith("}"):
            yield Finding(
                place, "rate_unit", f"{spec.name} has a rate as its unit; record the amount, Prometheus makes the rate"
            )
        if not spec.name.startswith(_AREAS):
            yield Finding(place, "name_prefix", f"{spec.name} must start with {' or '.join(_AREAS)}")
        if spec.processes != "latest" and spec.instrument != "gauge":
            yield Finding(
                place, "processes_useless", f"{spec.name} is no gauge; only a gauge needs a rule for processes"
            )
        if not spec.subsystem:
            yield Finding(place, "subsystem_required", f"{spec.name} names no subsystem that emits it")
        yield from _buckets(spec, place)


def _buckets(spec: MetricSpec, place: str) -> Iterator[Finding]:
    if spec.instrument == "histogram" and not spec.buckets:
        yield Finding(
            place, "buckets_required", f"{spec.name} is a histogram without buckets; the default ones start at 5 s"
        )
    if spec.instrument != "histogram" and spec.buckets:
        yield Finding(place, "buckets_useless", f"{spec.name} is no histogram, its buckets mean nothing")
    if list(spec.buckets) != sorted(set(spec.buckets)):
        yield Finding(place, "buckets_order", f"the buckets of {spec.name} must rise")
    if spec.buckets and spec.buckets[0] < 0:
        yield Finding(
            place, "buckets_negative", f"{spec.name} has a negative bucket; Prometheus then knows no sum and no count"
        )


def _labels(registry: Registry) -> Iterator[Finding]:
    for spec in registry.metrics:
        place = registry.place(spec)
        for ref in spec.attributes:
            attribute = registry.attribute(ref)
            if attribute is not None and not attribute.bounded:
                yield Finding(
                    place,
                    "unbounded_label",
                    f"{spec.name} carries {ref}, which is unbounded; ids belong on spans and logs",
                )
        for label, count in Counter(promnames.label(ref) for ref in spec.attributes).items():
            if count > 1:
                yield Finding(
                    place, "label_collision", f"{spec.name} has {count} attributes that become the label {label}"
                )


def _collisions(registry: Registry) -> Iterator[Finding]:
    owner: dict[str, MetricSpec] = {}
    for spec in registry.metrics:
        for sample in {promnames.series(spec), *promnames.samples(spec)}:
            other = owner.setdefault(sample, spec)
            if other is not spec and other.name != spec.name:
                yield Finding(
                    registry.place(spec),
                    "name_collision",
                    f"{spec.name} and {other.name} ({registry.place(other)}) are both {sample} in Prometheus",
                )


_RULES: Final[tuple[Callable[[Registry], Iterator[Finding]], ...]] = (
    _briefs,
    _names,
    _references,
    _span_metrics,
    _metrics,
    _labels,
    _collisions,
)
