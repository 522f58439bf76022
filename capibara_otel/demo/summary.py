"""What is left of a run: per subsystem, the slowest and the failed requests, and where to look next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from capibara_otel.demo.figures import Page, Row
from capibara_otel.demo.story import Step, steps_of
from capibara_otel.demo.traffic import Exchange, Tally
from capibara_otel.semconv.metrics import METRICS

_SHOWN: Final = 3
_NARROW: Final = 76
_STEPS: Final = 9


def as_json(page: Page, tally: Tally) -> dict[str, Any]:
    """Return the summary for machines."""
    return {
        "requests": len(tally.exchanges),
        "failed": len(tally.failed),
        "disconnected": tally.impatient,
        "metric_families": sorted(page.known),
        "subsystems": [
            {
                "name": row.name,
                "calls": row.calls,
                "errors": row.errors,
                "p50_s": row.quantiles_s[0],
                "p95_s": row.quantiles_s[1],
                "p99_s": row.quantiles_s[2],
                "tokens": row.tokens,
            }
            for row in page.rows()
        ],
        "slowest": [_exchange(exchange) for exchange in slowest(tally)],
        "failures": [_exchange(exchange) for exchange in tally.failed],
    }


def slowest(tally: Tally) -> list[Exchange]:
    """Return the slowest requests of users who waited for the end."""
    waited = [exchange for exchange in tally.exchanges if exchange.wanted and not exchange.what.startswith("WS")]
    return sorted(waited, key=lambda exchange: -exchange.seconds)[:_SHOWN]


def render(console: Console, page: Page, tally: Tally, log: Path, hints: Sequence[str]) -> None:
    """Print the summary.

    Args:
        console: where to.
        page: the backend's metrics.
        tally: what its users saw.
        log: the backend's log lines.
        hints: where to look next.
    """
    narrow = console.width < _NARROW
    slow = slowest(tally)
    parts: list[RenderableType] = [
        _table(page.rows(), narrow=narrow),
        Text(),
        *(_line("Slowest", exchange, narrow=narrow) for exchange in slow[:1]),
        *(_steps(steps_of(slow[0].trace_id, log)) if slow else ()),
        *(_line("", exchange, narrow=narrow) for exchange in slow[1:]),
        *(_line("Failed", exchange, narrow=narrow) for exchange in tally.failed[:_SHOWN]),
    ]
    more = len(tally.failed) - _SHOWN
    if more > 0:
        parts.append(Text(f" … and {more} more failed", style="dim"))
    parts.append(Text(f" Metrics  {len(page.known)} of the registry's {len(METRICS)} families moved by this run"))
    parts += [Text(f" {'Next' if place == 0 else '':<8} {hint}") for place, hint in enumerate(hints)]
    console.print(Group(*parts), soft_wrap=True, highlight=False)


def _table(rows: Sequence[Row], *, narrow: bool) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=True, padding=(0, 1))
    table.add_column("Subsystem", no_wrap=True)
    for head in ("calls", "errors", "p50", "p95") + (() if narrow else ("p99", "tokens")):
        table.add_column(head, justify="right", no_wrap=True)
    for row in rows:
        cells = [row.name, f"{row.calls:,}", _share(row), *(duration(value) for value in row.quantiles_s)]
        tokens = "–" if row.tokens is None else f"{row.tokens:,}"  # noqa: RUF001 - an empty cell
        table.add_row(*(cells[:5] if narrow else [*cells, tokens]))
    return table


def _share(row: Row) -> str:
    if not row.errors:
        return "–"  # noqa: RUF001 - an empty cell
    return f"{100 * row.errors / row.calls:.1f} %"


def duration(seconds: float) -> str:
    """Return a duration for people: 84 µs, 1.1 ms, 410 ms, 2.3 s."""
    if seconds < 0.001:  # noqa: PLR2004 - a millisecond
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 0.01:  # noqa: PLR2004 - ten milliseconds
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _line(word: str, exchange: Exchange, *, narrow: bool) -> Text:
    text = Text(f" {word:<8}", style="red" if exchange.failed else "")
    text.append(f" {duration(exchange.seconds):>6}  {exchange.what}")
    if exchange.failed:
        text.append(f"  {exchange.status or 'no answer'}")
    text.append(f"\n{'':<10}" if narrow else "  ").append(f"trace {exchange.trace_id}", style="cyan")
    if exchange.detail and not narrow:
        text.append(f"  {exchange.detail[:60]}", style="dim")
    return text


def _steps(steps: Sequence[Step]) -> Iterator[Text]:
    longest = sorted(steps, key=lambda step: -step.seconds)[:_STEPS]
    for step in (step for step in steps if step in longest):
        text = Text(f"{'':<10}{duration(step.begins_s):>7} +{duration(step.seconds):<7} ", style="dim")
        text.append(step.name, style="red" if step.failed else "")
        yield text.append(f"  {step.said}", style="dim")
    if len(steps) > _STEPS:
        yield Text(f"{'':<10}… and {len(steps) - _STEPS} shorter operations", style="dim")


def _exchange(exchange: Exchange) -> dict[str, Any]:
    return {
        "request": exchange.what,
        "seconds": exchange.seconds,
        "status": exchange.status,
        "trace_id": exchange.trace_id,
        "detail": exchange.detail,
    }
