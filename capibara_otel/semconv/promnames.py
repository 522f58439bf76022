"""What a metric is called in Prometheus.

The rules are those of github.com/prometheus/otlptranslator 1.0 with its default strategy
(UnderscoreEscapingWithSuffixes), which the Collector, Prometheus 3 and the metrics page share. The registry's checks
refuse the names for which the official in-process exporter would say something else, so that one name holds everywhere.
"""

from __future__ import annotations

import re
from typing import Final

from capibara_otel.semconv.specs import MetricSpec

_UNITS: Final = {
    "d": "days", "h": "hours", "min": "minutes", "s": "seconds", "ms": "milliseconds", "us": "microseconds",
    "ns": "nanoseconds", "By": "bytes", "KiBy": "kibibytes", "MiBy": "mebibytes", "GiBy": "gibibytes",
    "TiBy": "tibibytes", "KBy": "kilobytes", "MBy": "megabytes", "GBy": "gigabytes", "TBy": "terabytes",
    "m": "meters", "V": "volts", "A": "amperes", "J": "joules", "W": "watts", "g": "grams", "Cel": "celsius",
    "Hz": "hertz", "%": "percent",
}  # fmt: skip
_PER: Final = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year"}
_NOT_IN_NAME: Final = re.compile(r"[^A-Za-z0-9:]+")


def family(name: str, unit: str, instrument: str) -> str:
    """Return the name of a metric's family, such as `capibara6_api_requests_total`.

    Args:
        name: of the metric.
        unit: of the metric, as in UCUM.
        instrument: `counter` and `gauge` add words of their own; any other adds none.
    """
    tokens = [token for token in _NOT_IN_NAME.split(name) if token]
    tokens += [token for token in unit_tokens(unit) if token not in tokens]
    if instrument == "counter":
        tokens = [token for token in tokens if token != "total"] + ["total"]
    if unit == "1" and instrument == "gauge":
        tokens = [token for token in tokens if token != "ratio"] + ["ratio"]
    joined = "_".join(tokens)
    return f"_{joined}" if joined[:1].isdigit() else joined


def series(spec: MetricSpec) -> str:
    """Return the name of the metric family, such as `capibara6_api_requests_total`."""
    return family(spec.name, spec.unit, spec.instrument)


def samples(spec: MetricSpec) -> tuple[str, ...]:
    """Return the names of the family's samples: three for a histogram, else the family's own."""
    name = series(spec)
    return tuple(name + part for part in ("_bucket", "_sum", "_count")) if spec.instrument == "histogram" else (name,)


def label(attribute: str) -> str:
    """Return the label an attribute becomes, such as `http_route`."""
    name = re.sub(r"[^A-Za-z0-9_]", "_", attribute)
    return f"key_{name}" if name[:1].isdigit() else name


def unit_tokens(unit: str) -> list[str]:
    """Return the words a unit adds to a name; annotations in braces and `1` add none."""
    main, _, per = (part.strip() for part in unit.partition("/"))
    words = [] if "{" in main or "}" in main or main in {"", "1"} else [_UNITS.get(main, main)]
    if per and "{" not in per and "}" not in per:
        words.append(f"per_{_PER.get(per, per)}")
    cleaned = (_NOT_IN_NAME.sub("_", word).strip("_") for word in words)
    return [word for word in cleaned if word not in {"", "per"}]
