"""`capibara-otel demo`: the main job on this machine, nothing else to start."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from capibara_otel.exceptions import MissingExtraError

_NEEDED = ("fastapi", "httpx", "openai", "uvicorn", "websockets")


def add_to(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("demo")(demo)


def demo(
    *,
    seconds: Annotated[float, typer.Option("--for", min=1, max=3600, help="Seconds of traffic.")] = 30,
    users: Annotated[int, typer.Option("--users", min=1, max=200, help="Users at a time.")] = 8,
    seed: Annotated[int, typer.Option("--seed", help="Decides traffic, times and faults.")] = 7,
    docs: Annotated[
        Path | None, typer.Option("--docs", help="A folder of your own texts to answer from.", show_default=False)
    ] = None,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port of the backend.")] = 8000,
    keep: Annotated[bool, typer.Option("--keep", help="Stay up afterwards, for looking.")] = False,
    otlp: Annotated[str, typer.Option("--otlp", help="Address of a Collector to send everything to.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Run an agent backend under traffic, observed, and sum up what was seen."""
    if any(find_spec(name) is None for name in _NEEDED):
        raise MissingExtraError("capibara-otel demo", "demo")
    from capibara_otel.demo.main import run  # noqa: PLC0415 - needs the extra
    from capibara_otel.demo.options import DemoOptions  # noqa: PLC0415 - as above

    if docs is not None and not docs.is_dir():
        typer.echo(f"--docs {docs}: there is no such folder", err=True)
        raise typer.Exit(2)
    options = DemoOptions(
        seconds=seconds,
        users=users,
        seed=seed,
        docs=None if docs is None else docs.resolve(),
        port=port,
        keep=keep,
        otlp=otlp,
        as_json=as_json,
    )
    raise typer.Exit(run(options))
