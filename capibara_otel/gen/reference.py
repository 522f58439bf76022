"""The pages of `docs/reference/`, written from the registry, the settings and the command line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import typer.main
from typer.testing import CliRunner

from capibara_otel.cli import app
from capibara_otel.config import describe
from capibara_otel.gen.code import constant
from capibara_otel.registry import Registry
from capibara_otel.semconv import promnames
from capibara_otel.semconv.specs import AttributeSpec, Rule, SpanSpec

_HEAD: Final = "<!-- DO NOT EDIT. Written by `make gen`. -->\n"
_WIDTH: Final = "100"


_RULES: Final[dict[Rule, str]] = {
    "latest": "",
    "sum": " Summed over workers.",
    "max": " The largest of all workers.",
    "min": " The smallest of all workers.",
}


def metrics(registry: Registry) -> str:
    """Return the page of all metrics, by subsystem."""
    parts = [
        _HEAD,
        "# Metrics",
        "",
        f"{len(registry.metrics)} metrics. The name in Prometheus is the same on `/metrics` and through the Collector.",
        "",
    ]
    for subsystem in sorted({spec.subsystem for spec in registry.metrics}):
        parts += [f"## {subsystem}", ""]
        rows = [
            (
                f"`{promnames.series(spec)}`",
                f"`{spec.name}`",
                spec.instrument,
                f"`{spec.unit}`",
                ", ".join(f"`{promnames.label(name)}`" for name in spec.attributes) or "none",
                spec.brief + (" Legacy name." if spec.legacy else "") + _RULES[spec.processes],
            )
            for spec in registry.metrics
            if spec.subsystem == subsystem
        ]
        parts += [*_table(("Prometheus", "OpenTelemetry", "kind", "unit", "labels", "what it is"), rows), ""]
        parts += [
            f"Buckets of `{promnames.series(spec)}`: {', '.join(f'{bound:g}' for bound in spec.buckets)}.  "
            for spec in registry.metrics
            if spec.subsystem == subsystem and spec.buckets
        ]
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def attributes(registry: Registry) -> str:
    """Return the page of all attributes."""
    rows = [
        (f"`{spec.name}`", f"`{constant(spec.name)}`", _takes(spec), "yes" if spec.bounded else "no", spec.brief)
        for spec in sorted(registry.attributes, key=lambda spec: spec.name)
    ]
    intro = "Constants are in `capibara_otel.semconv.attributes`. Only bounded attributes become metric labels."
    return (
        "\n".join(
            [
                _HEAD,
                "# Attributes",
                "",
                intro,
                "",
                *_table(("attribute", "constant", "takes", "bounded", "what it is"), rows),
            ]
        )
        + "\n"
    )


def spans(registry: Registry) -> str:
    """Return the page of all spans."""
    parts = [
        _HEAD,
        "# Spans",
        "",
        "Every span may also carry `error.type`, `capibara6.outcome` and what `cap.context(…)` set.",
        "",
    ]
    for spec in sorted(registry.spans, key=lambda spec: spec.type):
        parts += [f"## {spec.type}", "", f"{spec.brief} Kind {spec.kind}, named {_name(spec)}.", ""]
        moved = [metric for metric in (spec.count, spec.duration, spec.active) if metric is not None]
        if moved:
            parts += ["Moves " + ", ".join(f"`{promnames.series(metric)}`" for metric in moved) + ".", ""]
        parts += [f"- `{name}`" for name in spec.attributes] + [""]
    return "\n".join(parts).rstrip() + "\n"


def settings() -> str:
    """Return the page of all settings."""
    rows = [
        (
            f"`{doc.name}`",
            f"`{doc.env}`",
            doc.allowed or doc.type,
            f"`{doc.default}`" if doc.default else "none",
            doc.brief,
        )
        for doc in describe()
    ]
    intro = (
        "Each setting: argument of `configure()`, else environment variable, else `capibara.yaml`, else default. "
        "All `OTEL_*` variables of the OpenTelemetry SDK work too."
    )
    return (
        "\n".join(
            [
                _HEAD,
                "# Settings",
                "",
                intro,
                "",
                *_table(("setting", "variable", "takes", "default", "what it is"), rows),
            ]
        )
        + "\n"
    )


def command_line() -> str:
    """Return the page of all commands: what each prints for `--help`."""
    parts = [_HEAD, "# Command line", ""]
    for words, text in _helps():
        parts += [f"## {' '.join(('capibara-otel', *words))}", "", "```text", text.rstrip(), "```", ""]
    return "\n".join(parts).rstrip() + "\n"


def _helps() -> Iterable[tuple[tuple[str, ...], str]]:
    group = typer.main.get_group(app)
    yield (), _help(())
    for name, command in sorted(group.commands.items()):
        if command.hidden:
            continue
        yield (name,), _help((name,))
        for inner in sorted(getattr(command, "commands", {})):
            yield (name, inner), _help((name, inner))


def _help(words: Sequence[str]) -> str:
    environment = {"COLUMNS": _WIDTH, "TERMINAL_WIDTH": _WIDTH, "NO_COLOR": "1", "TERM": "dumb"}
    result = CliRunner().invoke(app, [*words, "--help"], prog_name="capibara-otel", env=environment)
    return "\n".join(line.rstrip() for line in result.output.splitlines())


def _name(spec: SpanSpec) -> str:
    target = f"{{{spec.target}}}" if spec.target else ""
    return f"`{' '.join(part for part in (spec.action, target) if part)}`"


def _takes(spec: AttributeSpec) -> str:
    text = ", ".join(f"`{member}`" for member in spec.members) or spec.type
    if spec.minimum is not None or spec.maximum is not None:
        low = "" if spec.minimum is None else f"{spec.minimum:g} ≤ "
        high = "" if spec.maximum is None else f" ≤ {spec.maximum:g}"
        text = f"{low}{text}{high}"
    return text + (", content" if spec.content else "")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
