"""The app's start and end, as telemetry sees them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette

from tests.unit.web.apps import OFF
from tests.unit.web.driver import plain

Observe = Callable[..., Any]


class Story:
    """Writes down what happened, in order; is a lifecycle."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def startup(self) -> None:
        """Note it."""
        self.lines.append("telemetry starts")

    async def shutdown(self) -> None:
        """Note it, after a while."""
        await asyncio.sleep(0)
        self.lines.append("telemetry stops")


def serve(app: Any, story: Story, made: dict[str, Any] | None = None) -> None:
    """Start and stop an app as a server does; what it answers is in the story."""
    incoming = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> dict[str, Any]:
        if not incoming:
            await asyncio.Event().wait()
        return incoming.pop(0)

    async def send(message: dict[str, Any]) -> None:
        story.lines.append(message["type"])

    asyncio.run(app(made or {"type": "lifespan", "state": {}}, receive, send))


EVERYTHING_WELL = [
    "telemetry starts",
    "lifespan.startup.complete",
    "telemetry stops",
    "lifespan.shutdown.complete",
]


@pytest.mark.parametrize("make", [lambda: FastAPI(telemetry=OFF), Starlette])
def test_start_and_end(observed: Observe, make: Callable[[], Any]) -> None:
    """Telemetry starts with the app, and has stopped before the server hears that the app has."""
    story = Story()

    serve(observed(make(), lifecycle=story), story)

    assert story.lines == EVERYTHING_WELL


def test_state_passes(observed: Observe) -> None:
    """What a lifespan yields is in the state that the server gives to requests."""
    story = Story()

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[dict[str, int]]:
        story.lines.append("app starts")
        yield {"answer": 42}
        story.lines.append("app stops")

    made: dict[str, Any] = {"type": "lifespan", "state": {}}
    serve(observed(FastAPI(telemetry=OFF, lifespan=lifespan), lifecycle=story), story, made)

    assert made["state"] == {"answer": 42}
    assert story.lines == [
        "app starts",
        "telemetry starts",
        "lifespan.startup.complete",
        "app stops",
        "telemetry stops",
        "lifespan.shutdown.complete",
    ]


@pytest.mark.parametrize("at", ["startup", "shutdown"])
def test_failures_are_flushed_too(observed: Observe, at: str) -> None:
    """An app that fails at its start or end has its telemetry sent before the server ends the process."""
    story = Story()

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[None]:
        if at == "startup":
            raise RuntimeError("no")
        yield
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        serve(observed(Starlette(lifespan=lifespan), lifecycle=story), story)

    assert story.lines[-2:] == ["telemetry stops", f"lifespan.{at}.failed"]


async def raising(made: Any, _receive: Any, _send: Any) -> None:
    """Refuse any scope but HTTP, as many small apps do."""
    assert made["type"] == "http"


async def returning(made: Any, receive: Any, send: Any) -> None:
    """Ignore any scope but HTTP."""
    if made["type"] == "http":
        await plain()(made, receive, send)


@pytest.mark.parametrize("app", [raising, returning])
def test_apps_without_lifespan(observed: Observe, app: Any) -> None:
    """For an app that knows no lifespan the wrapper answers, so that telemetry is sent at the end there too."""
    story = Story()

    serve(observed(app, lifecycle=story), story)

    assert story.lines == EVERYTHING_WELL


def test_an_app_that_fails_on_its_way(observed: Observe) -> None:
    """An app that takes part and then raises has its exception reach the server."""
    story = Story()

    async def app(_made: Any, receive: Any, _send: Any) -> None:
        await receive()
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        serve(observed(app, lifecycle=story), story)

    assert story.lines == []


def test_faults_of_the_lifecycle_are_kept_from_the_app(observed: Observe, monkeypatch: pytest.MonkeyPatch) -> None:
    """An app starts and stops although telemetry cannot."""

    class Broken(Story):
        def startup(self) -> None:
            raise RuntimeError("no")

        async def shutdown(self) -> None:
            raise RuntimeError("no")

    monkeypatch.setenv("CAPIBARA_RAISE", "0")
    story = Broken()

    serve(observed(Starlette(), lifecycle=story), story)

    assert story.lines == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_without_lifecycle(observed: Observe) -> None:
    """Nobody to tell is no fault."""
    story = Story()

    serve(observed(Starlette()), story)

    assert story.lines == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_wrappers_around_one_another_tell_once(wrapped: Observe) -> None:
    """A wrapper inside of a wrapper leaves the lifecycle to the outer one."""
    story = Story()

    serve(wrapped(wrapped(Starlette(), lifecycle=story), lifecycle=story), story)

    assert story.lines == EVERYTHING_WELL
