"""How an app comes to be observed, and stops being so."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette

import capibara_otel as cap
from capibara_otel.testing import Capture
from capibara_otel.web import CapibaraMiddleware, WebOptions, instrument, uninstrument
from tests.unit.web.apps import OFF
from tests.unit.web.driver import fetch, plain, run, scope

Observe = Callable[..., Any]


class Mine(FastAPI):
    """An app of a user's own class."""

    calls = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Count the call."""
        Mine.calls += 1
        await super().__call__(scope, receive, send)


@pytest.mark.parametrize("kind", [FastAPI, Starlette, Mine])
def test_the_app_stays_what_it_is(capture: Capture, kind: type[Any]) -> None:
    """An observed app is the same object, of a class that is called the same and is one of its own kind."""
    app = kind()
    before = (type(app).__name__, type(app).__module__, type(app).__qualname__, type(app).__doc__)

    assert instrument(app, api=cap.api) is app
    assert isinstance(app, kind)
    assert (type(app).__name__, type(app).__module__, type(app).__qualname__, type(app).__doc__) == before
    assert inspect.iscoroutinefunction(app.__call__)

    fetch(app, "/nothing")
    assert len(capture.spans) == 1

    assert uninstrument(app) is app
    assert type(app) is kind
    fetch(app, "/nothing")
    assert len(capture.spans) == 1


def test_a_users_own_call_is_kept(observed: Observe) -> None:
    """What a user's class does around each request it still does, once."""
    app = observed(Mine(telemetry=OFF))
    Mine.calls = 0

    fetch(app, "/nothing")

    assert Mine.calls == 1


def test_only_that_app_is_observed(capture: Capture, observed: Observe) -> None:
    """Other apps of the same class stay as they are."""
    other = FastAPI(telemetry=OFF)
    observed(FastAPI(telemetry=OFF))

    fetch(other, "/nothing")

    assert type(other) is FastAPI
    assert capture.spans == ()


def test_repeating_it_changes_nothing(capture: Capture) -> None:
    """Observing twice is observing once, with the first one's settings; undoing once is enough."""
    app = Starlette()
    instrument(app, api=cap.api, options=WebOptions(excluded_urls=("/health",)))
    kind = type(app)
    instrument(app, api=cap.api)

    assert type(app) is kind
    fetch(app, "/health")
    assert capture.spans == ()
    assert type(uninstrument(app)) is Starlette
    assert type(uninstrument(app)) is Starlette


def test_observing_again_after_undoing(capture: Capture) -> None:
    """An app can be observed anew."""
    app = Starlette()
    for _ in range(2):
        instrument(app, api=cap.api)
        fetch(app, "/x")
        uninstrument(app)

    assert len(capture.spans) == 2


def test_a_class_put_on_top_of_ours(capture: Capture) -> None:
    """Where another tool has made a subclass of ours, undoing leaves that class and observes nothing."""
    app = Starlette()
    instrument(app, api=cap.api)
    on_top = type("OnTop", (type(app),), {})
    app.__class__ = on_top

    uninstrument(app)
    fetch(app, "/x")

    assert type(app) is on_top
    assert capture.spans == ()
    instrument(app, api=cap.api)
    fetch(app, "/x")
    assert len(capture.spans) == 1


def test_any_other_asgi_app_is_wrapped(capture: Capture) -> None:
    """An app of another framework is returned inside of the wrapper, and comes out of it again."""
    app = plain()
    wrapped = instrument(app, api=cap.api)

    assert isinstance(wrapped, CapibaraMiddleware)
    assert instrument(wrapped, api=cap.api) is wrapped
    run(wrapped)
    assert len(capture.spans) == 1
    assert uninstrument(wrapped) is app
    assert uninstrument(app) is app
    run(wrapped)
    assert len(capture.spans) == 1


@pytest.mark.parametrize("nonsense", [None, "module:app", 3, FastAPI])
def test_what_is_no_app(nonsense: Any) -> None:
    """What cannot be called as an app is refused, with a word on what is expected."""
    with pytest.raises(TypeError, match="expected an ASGI app"):
        instrument(nonsense, api=cap.api)


def test_as_a_middleware(capture: Capture) -> None:
    """The wrapper also works where frameworks put middlewares."""
    app = Starlette()
    app.add_middleware(CapibaraMiddleware, api=cap.api)

    fetch(app, "/x")

    assert [span.name for span in capture.spans] == ["GET"]


def test_other_kinds_of_scope_pass(wrapped: Observe) -> None:
    """What is neither HTTP, WebSocket nor lifespan goes to the app as it is."""
    seen: list[Any] = []

    async def app(made: Any, _receive: Any, _send: Any) -> None:
        seen.append(dict(made))

    run(wrapped(app), {"type": "webtransport"})

    assert seen == [{"type": "webtransport"}]


def test_excluded_urls(capture: Capture, observed: Observe) -> None:
    """Paths that one of the patterns is found in are served and not observed."""
    app = observed(plain(), options=WebOptions(excluded_urls=("^/health", "/internal/")))

    for path in ("/health", "/healthz", "/a/internal/b", "/my/health"):
        assert run(app, scope(path))[0]["status"] == 200

    assert [(span.attributes or {})["url.path"] for span in capture.spans] == ["/my/health"]
    assert capture.value("capibara6.api.requests") == 1
