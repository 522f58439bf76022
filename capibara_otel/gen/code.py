"""The modules of `semconv/`, written from the registry."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import MISSING, fields
from typing import Any, Final

from capibara_otel.registry import Registry
from capibara_otel.semconv.specs import AttributeSpec, MetricSpec, SpanSpec

HEADER: Final = "DO NOT EDIT. Written by `make gen` from capibara_otel/registry/*.yaml."


def constant(name: str) -> str:
    """Return the constant a name is imported by, such as `RAG_INDEX` for `capibara6.rag.index`."""
    return name.removeprefix("capibara6.").replace(".", "_").upper()


def attributes(registry: Registry) -> str:
    """Return the module with the attributes' names and the table of their specifications."""
    lines = _head(
        "Attribute names.",
        ["from collections.abc import Mapping", "from types import MappingProxyType", "from typing import Final"],
        "AttributeSpec",
    )
    for spec in sorted(registry.attributes, key=lambda spec: constant(spec.name)):
        lines += [f'{constant(spec.name)}: Final = "{spec.name}"', f'""{_literal(spec.brief)}""', ""]
    lines += ["ATTRIBUTES: Final[Mapping[str, AttributeSpec]] = MappingProxyType(", "    {"]
    for spec in sorted(registry.attributes, key=lambda spec: spec.name):
        lines += [f"        {constant(spec.name)}: AttributeSpec(", *_fields(spec, "            ", {}), "        ),"]
    lines += ["    }", ")", '"""Every attribute by its name."""']
    return _text(lines)


def metrics(registry: Registry) -> str:
    """Return the module with the metrics' specifications."""
    lines = _head(
        "Metrics.", ["from typing import Final", "", "from capibara_otel.semconv import attributes as a"], "MetricSpec"
    )
    specs = sorted(registry.metrics, key=lambda spec: constant(spec.name))
    for spec in specs:
        lines += [
            f"{constant(spec.name)}: Final = MetricSpec(",
            *_fields(spec, "    ", _attribute_refs(spec.attributes)),
            ")",
            "",
        ]
    lines += [
        "METRICS: Final[tuple[MetricSpec, ...]] = (",
        *(f"    {constant(spec.name)}," for spec in specs),
        ")",
        '"""Every metric, ordered by name."""',
    ]
    return _text(lines)


def spans(registry: Registry) -> str:
    """Return the module with the spans' specifications."""
    lines = _head(
        "Spans.",
        [
            "from typing import Final",
            "",
            "from capibara_otel.semconv import attributes as a",
            "from capibara_otel.semconv import metrics as m",
        ],
        "SpanSpec",
    )
    specs = sorted(registry.spans, key=lambda spec: constant(spec.type))
    for spec in specs:
        written = _attribute_refs(spec.attributes)
        if spec.target:
            written["target"] = f"a.{constant(spec.target)}"
        for role in ("duration", "count", "active"):
            metric: MetricSpec | None = getattr(spec, role)
            if metric is not None:
                written[role] = f"m.{constant(metric.name)}"
        lines += [f"{constant(spec.type)}: Final = SpanSpec(", *_fields(spec, "    ", written), ")", ""]
    lines += [
        "SPANS: Final[tuple[SpanSpec, ...]] = (",
        *(f"    {constant(spec.type)}," for spec in specs),
        ")",
        '"""Every span, ordered by type."""',
    ]
    return _text(lines)


def _head(title: str, imports: list[str], spec: str) -> list[str]:
    return [
        f'"""{title} {HEADER}"""',
        "",
        "from __future__ import annotations",
        "",
        *([*imports[:1], "", *imports[2:]] if "" in imports else [*imports, ""]),
        f"from capibara_otel.semconv.specs import {spec}",
        "",
    ]


def _attribute_refs(names: Iterable[str]) -> dict[str, str]:
    refs = [f"a.{constant(name)}" for name in names]
    return {"attributes": f"({', '.join(refs)}{',' if len(refs) == 1 else ''})"} if refs else {}


def _fields(spec: AttributeSpec | MetricSpec | SpanSpec, indent: str, written: dict[str, str]) -> list[str]:
    """Write the fields that differ from their defaults."""
    lines = []
    for field in fields(spec):
        value: Any = getattr(spec, field.name)
        if field.name in written:
            lines.append(f"{indent}{field.name}={written[field.name]},")
        elif field.default is MISSING or value != field.default:
            lines.append(f"{indent}{field.name}={_literal(value)},")
    return lines


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, tuple):
        inner = ", ".join(_literal(item) for item in value)
        return f"({inner}{',' if len(value) == 1 else ''})"
    if isinstance(value, float) and value.is_integer():
        return f"{value:.1f}"
    return repr(value)


def _text(lines: list[str]) -> str:
    return "\n".join(lines).rstrip("\n") + "\n"
