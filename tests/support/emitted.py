"""What a capture holds, in a form that tests compare as a whole: nothing missing, nothing more, types included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk.metrics.export import HistogramDataPoint

from capibara_otel.testing import Capture


def typed(attributes: Mapping[str, Any] | None) -> dict[str, str]:
    """Return attributes by name with their values written out, so that 1, 1.0 and True differ."""
    return {name: repr(value) for name, value in sorted((attributes or {}).items())}


def span(capture: Capture, name: str) -> tuple[str, str, dict[str, str]]:
    """Return kind, status and attributes of the only span of that name."""
    found = capture.span(name)
    return found.kind.name, found.status.status_code.name, typed(found.attributes)


def only_span(capture: Capture) -> tuple[str, str, str, dict[str, str]]:
    """Return name, kind, status and attributes of the only span there is."""
    (found,) = capture.spans
    return (found.name, *span(capture, found.name))


Value = float | tuple[int, float]


def metrics(capture: Capture) -> dict[str, list[tuple[dict[str, str], Value]]]:
    """Return every metric by name: labels and value of each point, for a histogram the count and the sum."""
    return {
        name: sorted(
            (
                (
                    typed(point.attributes),
                    (point.count, round(point.sum, 9)) if isinstance(point, HistogramDataPoint) else point.value,
                )
                for point in capture.points(name)
            ),
            key=repr,
        )
        for name in sorted(capture.metric_names)
    }


def point(value: Value, **labels: Any) -> tuple[dict[str, str], Value]:
    """Return a point as `metrics` does; a label's dots are written as two underscores."""
    return typed({name.replace("__", "."): label for name, label in labels.items()}), value
