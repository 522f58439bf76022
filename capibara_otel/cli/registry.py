"""`capibara-otel registry`: what can be emitted, and whether its declaration is sound."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from capibara_otel.registry import check, load
from capibara_otel.registry.load import FOLDER
from capibara_otel.semconv import promnames

_group = typer.Typer(help="Names of everything that is emitted.", no_args_is_help=True, rich_markup_mode=None)

_Folder = Annotated[Path, typer.Option("--folder", help="Folder with the registry's *.yaml.", show_default=False)]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def add_to(app: typer.Typer) -> None:
    """Add the group to the command line."""
    app.add_typer(_group, name="registry")


@_group.command("check")
def check_command(*, folder: _Folder = FOLDER, as_json: _Json = False) -> None:
    """Judge the registry: one finding a line with place and mend; exit code 1 when there is any."""
    findings = check(load(folder))
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            typer.echo(str(finding))
        typer.echo(f"{len(findings)} finding{'' if len(findings) == 1 else 's'}")
    raise typer.Exit(1 if findings else 0)


@_group.command("list")
def list_command(
    *,
    subsystem: Annotated[str, typer.Option("--subsystem", help="Only metrics of this subsystem.")] = "",
    folder: _Folder = FOLDER,
    as_json: _Json = False,
) -> None:
    """List the metrics by the names they have in Prometheus."""
    registry = load(folder)
    known = sorted({spec.subsystem for spec in registry.metrics})
    if subsystem and subsystem not in known:
        typer.echo(f"--subsystem {subsystem!r} is none of {', '.join(known)}", err=True)
        raise typer.Exit(2)
    specs = [spec for spec in registry.metrics if subsystem in {"", spec.subsystem}]
    if as_json:
        rows = [{"prometheus": promnames.series(spec), **dataclasses.asdict(spec)} for spec in specs]
        typer.echo(json.dumps(rows, indent=2))
        return
    for spec in specs:
        typer.echo(f"{promnames.series(spec)}  {spec.brief}")
