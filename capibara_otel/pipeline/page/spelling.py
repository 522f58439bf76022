"""How names, labels and numbers are written on the metrics page."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from capibara_otel.pipeline.metrics.data import Exemplar

# The official exporter's rules for labels, so that a page says the same whichever pipeline writes it.
_NOT_IN_LABEL: Final = re.compile(r"[^A-Za-z0-9]+")
_NOT_IN_INFO_LABEL: Final = re.compile(r"[^A-Za-z0-9]+|^(?=[0-9])")
_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\"", "\0": "\ufffd"})
_HELP_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n", "\0": "\ufffd"})
_WORDS: Final = {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}
_GO_EXPONENT_FROM: Final = 6
_EXEMPLAR_LENGTH: Final = 128
_TRACE_LABELS: Final = frozenset({"trace_id", "span_id"})
_TRACED_LENGTH: Final = sum(map(len, _TRACE_LABELS)) + 32 + 16


def label_name(attribute: str) -> str:
    """Return the label an attribute becomes, such as `http_route`."""
    name = f"_{attribute[1:]}" if attribute[:1].isdigit() else attribute
    return _NOT_IN_LABEL.sub("_", name) or "_"


def info_labels(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Return a resource's attributes as the labels of `target_info`, not yet escaped."""
    found: dict[str, str] = {}
    for key in sorted(attributes):
        name, value = _NOT_IN_INFO_LABEL.sub("_", key) or "_", str(attributes[key])
        found[name] = f"{found[name]};{value}" if name in found else value
    return found


def label_value(value: Any) -> str:
    """Return what a label says, not yet escaped: texts as they are, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def labels_of(attributes: Mapping[str, Any], *, but: str = "") -> str:
    """Return attributes as they stand behind a sample's name: `{a="x",b="y"}`, or nothing.

    Attributes that become the same label are joined by `;` in the order of their names (OpenTelemetry's compatibility
    specification for Prometheus). An empty value is left out, which is the same to Prometheus.

    Args:
        attributes: of a series.
        but: a label that has another meaning here.
    """
    found: dict[str, str] = {}
    for key in sorted(attributes):
        name, value = label_name(key), label_value(attributes[key])
        found[name] = f"{found[name]};{value}" if name in found else value
    found.pop(but, None)
    return write_labels(found)


def write_labels(labels: Mapping[str, str]) -> str:
    """Return labels in the order of their names, with their values escaped, in braces; nothing for none."""
    pairs = ",".join(f'{name}="{_escape(labels[name])}"' for name in sorted(labels) if labels[name])
    return f"{{{pairs}}}" if pairs else ""


def help_text(text: str, *, openmetrics: bool) -> str:
    """Return a description as it stands behind `# HELP`; OpenMetrics escapes quotes, too."""
    return _writable(text).translate(_ESCAPES if openmetrics else _HELP_ESCAPES)


def number(value: float) -> str:
    """Return a value, such as `3.0`, `1e-07` or `+Inf`."""
    try:
        text = repr(float(value))
    except OverflowError:
        text = "inf" if value > 0 else "-inf"
    return _WORDS.get(text, text)


def numbers(values: Sequence[float]) -> list[str]:
    """Return values as `number` does, many at once."""
    try:
        if all(map(math.isfinite, values)):
            return list(map(repr, map(float, values)))
    except OverflowError:
        pass
    return list(map(number, values))


def bound(value: float) -> str:
    """Return a bucket's upper bound as clients of Prometheus write it; it is a label, and each text another series."""
    text = number(value)
    dot = text.find(".")
    if value <= 0 or dot <= _GO_EXPONENT_FROM:
        return text
    mantissa = f"{text[0]}.{text[1:dot]}{text[dot + 1 :]}".rstrip("0.")
    return f"{mantissa}e+{dot - 1:02d}"


def _escape(text: str) -> str:
    return _writable(text).translate(_ESCAPES)


def _writable(text: str) -> str:
    """Return the text without lone surrogates, which UTF-8 cannot hold."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def exemplar(found: Exemplar) -> str:
    """Return an exemplar as it stands behind a sample in OpenMetrics.

    What the measurement carried beyond its series comes along where all of it fits into the 128 characters that names
    and values of an exemplar's labels may have (OpenMetrics 1.0.0, "Exemplars").
    """
    traced = f'trace_id="{found.trace_id:032x}",span_id="{found.span_id:016x}"' if found.trace_id else ""
    more = _fitting(found.attributes, taken=_TRACED_LENGTH if traced else 0) if found.attributes else ""
    joined = f"{traced},{more}" if traced and more else traced or more
    return f" # {{{joined}}} {number(found.value)} {found.time_ns / 1e9:.3f}"


def _fitting(attributes: Mapping[str, Any], *, taken: int) -> str:
    """Return what an exemplar's measurement carried as labels without braces, if all of it fits."""
    labels = {label_name(key): label_value(value) for key, value in attributes.items()}
    length = taken + sum(map(len, labels)) + sum(map(len, labels.values()))
    if length > _EXEMPLAR_LENGTH or not _TRACE_LABELS.isdisjoint(labels):
        return ""
    return write_labels(labels)[1:-1]
