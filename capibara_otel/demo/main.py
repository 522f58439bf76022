"""The demo from beginning to end: start the servers, let users act, sum it up."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from capibara_otel.config import load_settings
from capibara_otel.demo.backend.settings import PREFIX, BackendSettings
from capibara_otel.demo.engines.corpus import CorpusError, load_corpus
from capibara_otel.demo.figures import Page
from capibara_otel.demo.options import DemoOptions
from capibara_otel.demo.processes import HOST, DemoError, Server, free_port, running
from capibara_otel.demo.summary import as_json, render
from capibara_otel.demo.traffic import Tally, Traffic

_BACKEND: Final = "capibara_otel.demo.backend.app:create_app"
_MODELS: Final = "capibara_otel.demo.model_process:create_app"
_REPOSITORY: Final = Path(__file__).resolve().parents[2]
_PLAIN_EVERY_S: Final = 5.0


def run(options: DemoOptions) -> int:
    """Run the demo.

    Returns:
        The exit code: 0 when the run was whole, 1 when it was not, 130 when it was interrupted.
    """
    _check(options)
    out = Console(stderr=options.as_json, highlight=False)
    folder = Path(tempfile.mkdtemp(prefix="capibara-demo-"))
    keep_logs = False
    try:
        return asyncio.run(_Demo(options, out, folder).run())
    except (KeyboardInterrupt, asyncio.CancelledError):
        out.print("interrupted; the servers were stopped")
        return 130
    except DemoError as error:
        keep_logs = True
        out.print(f"{error}\nlogs: {folder}", style="red", markup=False)
        return 1
    finally:
        if not keep_logs:
            shutil.rmtree(folder, ignore_errors=True)


class _Demo:
    def __init__(self, options: DemoOptions, out: Console, folder: Path) -> None:
        self._options = options
        self._out = out
        self._folder = folder
        self._tally = Tally()

    async def run(self) -> int:
        options, out = self._options, self._out
        task = asyncio.current_task()
        if task is not None:  # as Ctrl-C does, so that the servers are ended too
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        port = free_port(options.port)
        if port != options.port:
            out.print(f"port {options.port} is in use, taking {port}")
        out.print(
            f"[bold]capibara-otel demo[/] · FastAPI agent backend on {HOST}:{port} · "
            f"{options.users} users for {options.seconds:g} s · seed {options.seed}",
            soft_wrap=True,
        )
        seed = {f"{PREFIX}SEED": str(options.seed)}
        with contextlib.ExitStack() as stack:
            models = stack.enter_context(running(Server(_MODELS, free_port(), self._folder, seed, "critical")))
            models.wait_until_ready("/v1/models")
            backend = stack.enter_context(running(Server(_BACKEND, port, self._folder, self._environment(models))))
            began = time.perf_counter()
            health = (await asyncio.to_thread(backend.wait_until_ready, "/health")).json()
            out.print(
                f"  {health['passages']:,} passages of {', '.join(health['indexes'])} indexed, "
                f"ready after {time.perf_counter() - began:.1f} s"
            )
            await self._drive(backend)
            page = Page((await asyncio.to_thread(httpx.get, f"{backend.url}/metrics", timeout=10)).text)
            whole = backend.alive
            self._report(page, backend)
            if options.keep and whole:
                await self._stay(backend)
        if not whole:
            raise DemoError("the backend ended during the run")
        return 0 if self._tally.exchanges else 1

    def _environment(self, models: Server) -> dict[str, str]:
        repository = _REPOSITORY if (_REPOSITORY / "pyproject.toml").is_file() else None
        settings = BackendSettings(f"{models.url}/v1", self._options.seed, self._options.docs, repository)
        return settings.as_environment() | {
            "CAPIBARA_SYSTEM_INTERVAL": "2",
            "CAPIBARA_LOG_FORMAT": "json",
            "CAPIBARA_LOG_LEVEL": "debug",  # every operation's line, for what the slowest request did
        }

    async def _drive(self, backend: Server) -> None:
        options = self._options
        async with httpx.AsyncClient(base_url=backend.url, timeout=30) as client:
            topics = (await client.get("/api/v1/topics", params={"count": 400, "seed": options.seed})).json()
        traffic = Traffic(backend.url, topics, options.seed, self._tally)
        async with self._progress():
            await traffic.run(options.users, options.seconds)

    @contextlib.asynccontextmanager
    async def _progress(self) -> AsyncIterator[None]:
        show = asyncio.create_task(self._bar() if self._out.is_terminal else self._lines())
        try:
            yield
        finally:
            show.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await show

    async def _bar(self) -> None:
        columns = (
            TextColumn(" "),
            BarColumn(28),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[live]}"),
        )
        with Progress(*columns, console=self._out) as progress:
            task = progress.add_task("", total=self._options.seconds, live="")
            began = time.monotonic()
            try:
                while True:
                    progress.update(task, completed=time.monotonic() - began, live=self._live(began))
                    await asyncio.sleep(0.2)
            finally:
                progress.update(task, completed=self._options.seconds, live=self._live(began))

    async def _lines(self) -> None:
        began = time.monotonic()
        while True:
            await asyncio.sleep(_PLAIN_EVERY_S)
            self._out.print(f"  {time.monotonic() - began:3.0f} s  {self._live(began)}")

    def _live(self, began: float) -> str:
        count, failed = len(self._tally.exchanges), len(self._tally.failed)
        rate = count / max(0.001, time.monotonic() - began)
        return f"{count:,} requests · {rate:.0f}/s · {100 * failed / max(1, count):.1f} % errors"

    def _report(self, page: Page, backend: Server) -> None:
        if self._options.as_json:
            sys.stdout.write(json.dumps(as_json(page, self._tally), indent=2) + "\n")
            return
        hints = (
            [f"{backend.url}/metrics", f"log lines in {backend.log_path}"]
            if self._options.keep
            else [f"{_again('--keep')} stays up: metrics on /metrics, log lines in a file"]
        )
        if not self._options.otlp:
            hints.append(f"{_again('--otlp http://localhost:4318')} sends everything to a Collector")
        render(self._out, page, self._tally, backend.log_path, hints)

    async def _stay(self, backend: Server) -> None:
        self._out.print(f"staying up on {backend.url}; Ctrl-C ends it")
        await asyncio.to_thread(backend.wait)


def _again(option: str) -> str:
    """Return how the demo is run with an option, from a checkout or from an installed package."""
    in_checkout = (_REPOSITORY / "Makefile").is_file()
    return f'make demo ARGS="{option}"' if in_checkout else f"capibara-otel demo {option}"


def _check(options: DemoOptions) -> None:
    """Find a user's mistakes before anything is started.

    Raises:
        ConfigurationError: the environment's settings are wrong, as the backend would say.
        DemoError: there is nothing to read in the folder of own texts.
    """
    if options.otlp:
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = options.otlp
    load_settings()
    if options.docs is not None:
        try:
            load_corpus(docs=options.docs, interpreter=False)
        except CorpusError as error:
            raise DemoError(str(error)) from error
