"""`capibara-otel`: puts the groups together. Exit codes: 0 fine, 1 found something, 2 wrong use."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from capibara_otel.cli.demo import add_to as add_demo
from capibara_otel.cli.registry import add_to as add_registry
from capibara_otel.cli.run import add_to as add_run
from capibara_otel.exceptions import CapibaraError

app = typer.Typer(
    name="capibara-otel",
    help="Observability for LLM agent backends.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for add in (add_demo, add_registry, add_run):
    add(app)


def _version(*, asked: bool) -> None:
    if asked:
        typer.echo(f"capibara-otel {version('capibara-otel')}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    _version(asked=show_version)


def main() -> None:
    """Run the command line; a user's mistake is a sentence on standard error, never a traceback."""
    try:
        app()
    except CapibaraError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)
