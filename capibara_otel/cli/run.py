"""`capibara-otel run`: start a program under observation that was not written for it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import distribution
from pathlib import Path
from typing import Annotated, Final

import typer

_NAME: Final = "capibara"
_FOLDER: Final = "opentelemetry/instrumentation/auto_instrumentation"
_WRONG_USE: Final = 2


def add_to(app: typer.Typer) -> None:
    """Add the command to the command line."""
    # Options that come after the program's name are the program's.
    settings = {"allow_interspersed_args": False, "ignore_unknown_options": True}
    app.command("run", context_settings=settings)(_run_command)


def _run_command(
    command: Annotated[
        list[str], typer.Argument(metavar="COMMAND...", help="The program and its arguments, such as uvicorn app:app.")
    ],
) -> None:
    """Run a Python program observed, unchanged: `capibara-otel run uvicorn app:app --workers 2`."""
    raise typer.Exit(run(command))


def run(arguments: Sequence[str]) -> int:
    """Become a program, with telemetry in each Python process of it.

    The process is replaced, so this returns only when the program cannot be started.

    Args:
        arguments: the program and its arguments; a leading `--` is ignored.

    Returns:
        The exit code 2, after a sentence on standard error.
    """
    command = list(arguments[1:] if arguments[:1] == ["--"] else arguments)
    if not command:
        return _refuse("no command given; for example: capibara-otel run uvicorn app:app")
    here = str(Path(sys.executable).parent)
    of_this_environment = shutil.which(command[0], path=here)
    executable = shutil.which(command[0]) or of_this_environment
    if executable is None:
        return _refuse(f"{command[0]!r} is no command on PATH and none in {here}")
    if of_this_environment is not None and executable != of_this_environment:
        _say(f"{executable} is not of the environment in {here}; without capibara-otel in its own it is not observed")
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execve(executable, command, environment(os.environ))  # noqa: S606 - starting it is what we are asked for
    except OSError as error:
        return _refuse(f"{executable} cannot be started: {error.strerror}")


def environment(base: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which Python programs observe themselves.

    OpenTelemetry's auto-instrumentation has a `sitecustomize` module; with its folder on `PYTHONPATH` every Python
    process that inherits this environment loads it: reloaders' and servers' workers, too.

    Args:
        base: the environment to start from.
    """
    folder = _auto_instrumentation()
    others = [path for path in base.get("PYTHONPATH", "").split(os.pathsep) if path and path != folder]
    return {
        **base,
        "PYTHONPATH": os.pathsep.join([folder, *others]),
        "OTEL_PYTHON_DISTRO": _NAME,
        "OTEL_PYTHON_CONFIGURATOR": _NAME,
    }


def _auto_instrumentation() -> str:
    # Found without importing it: the program does that, not this process.
    return str(distribution("opentelemetry-instrumentation").locate_file(_FOLDER))


def _say(message: str) -> None:
    sys.stderr.write(f"capibara-otel run: {message}\n")


def _refuse(message: str) -> int:
    _say(message)
    return _WRONG_USE
