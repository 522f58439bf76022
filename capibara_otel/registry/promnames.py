"""What a metric is called in Prometheus.

The rules are those of github.com/prometheus/otlptranslator 1.0 with its default strategy
(UnderscoreEscapingWithSuffixes), which the Collector and Prometheus 3 share. The registry's checks refuse the names
for which the in-process endpoint would say something else, so that one name holds everywhere.
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


def series(spec: MetricSpec) -> str:
    """Return the name of the metric family, such as `capibara6_api_requests_total`."""
    tokens = [token for token in _NOT_IN_NAME.split(spec.name) if token]
    tokens += [token for token in unit_tokens(spec.unit) if token not in tokens]
    if spec.instrument == "counter":
        tokens = [token for token in tokens if token != "total"] + ["total"]
    if spec.unit == "1" and spec.instrument == "gauge":
        tokens = [token for token in tokens if token != "ratio"] + ["ratio"]
    name = "_".join(tokens)
    return f"_{name}" if name[:1].isdigit() else name


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
    main, _, per = unit.partition("/")
    words = [] if "{" in main or main in {"", "1"} else [_UNITS.get(main, main)]
    if per and "{" not in per:
        words.append(f"per_{_PER.get(per, per)}")
    return words
