"""An HTTP request from its first byte in to its last byte out, and what comes after."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

import pytest
from fastapi import BackgroundTasks, FastAPI
from fastapi.responses import JSONResponse, StreamingResponse
from opentelemetry import trace
from opentelemetry.sdk.metrics.export import HistogramDataPoint
from opentelemetry.trace import SpanKind, StatusCode
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

import capibara_otel as cap
from capibara_otel.testing import Capture
from capibara_otel.web.request import HttpExchange
from capibara_otel.web.rest import Rest
from tests.unit.web.apps import OFF
from tests.unit.web.driver import App, call, fetch, plain, run, scope

Observe = Callable[..., Any]
START: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": []}
GONE: dict[str, Any] = {"type": "http.disconnect"}


def histogram(capture: Capture, metric: str) -> HistogramDataPoint:
    """Return the only point of a histogram."""
    [point] = capture.points(metric)
    assert isinstance(point, HistogramDataPoint)
    return point


class TestWhatIsMeasured:
    """Time, sizes, chunks."""

    def test_time_to_first_and_last_byte(self, capture: Capture, wrapped: Observe) -> None:
        """The response begins with its head; the request ends when the last byte was taken, not when it was offered."""

        async def app(_scope: Any, _receive: Any, send: Any) -> None:
            capture.clock.advance(0.25)
            await send(START)
            capture.clock.advance(0.5)
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await send({"type": "http.response.body", "body": b"y"})

        async def server(made: Any, receive: Any, send: Any) -> None:
            async def slow(message: Any) -> None:
                if message.get("body") == b"y":
                    capture.clock.advance(1)
                await send(message)

            await wrapped(app)(made, receive, slow)

        run(server)

        assert histogram(capture, "capibara6.api.response.first_byte.duration").sum == 0.25
        assert histogram(capture, "capibara6.api.request.duration").sum == 1.75

    def test_sizes_are_what_was_read_and_sent(self, capture: Capture, wrapped: Observe) -> None:
        """Bodies count as the app reads and sends them, whatever their headers say."""

        async def app(_scope: Any, receive: Any, send: Any) -> None:
            while (await receive()).get("more_body"):
                pass
            await send(START)
            for part in (b"abc", b"", b"de"):
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body"})

        run(
            wrapped(app),
            scope("/", "POST", headers=[(b"content-length", b"999")]),
            [
                {"type": "http.request", "body": b"12345", "more_body": True},
                {"type": "http.request", "body": b"67"},
            ],
        )

        attributes = capture.attributes("POST")
        assert attributes["http.request.body.size"] == 7
        assert attributes["http.response.body.size"] == 5
        assert attributes["capibara6.api.chunks"] == 2
        assert histogram(capture, "capibara6.api.request.body.size").sum == 7
        assert histogram(capture, "capibara6.api.response.body.size").sum == 5

    def test_a_body_nobody_read_is_not_measured(self, capture: Capture, wrapped: Observe) -> None:
        """An app that reads no body says nothing about request sizes."""
        run(wrapped(plain()))

        assert capture.points("capibara6.api.request.body.size") == []

    def test_a_long_stream_is_one_span(self, capture: Capture, observed: Observe) -> None:
        """Ten thousand chunks add no span and no measurement each."""
        app = FastAPI(telemetry=OFF)

        @app.get("/stream")
        async def stream() -> StreamingResponse:
            async def chunks() -> Any:
                for _ in range(10_000):
                    yield b"0123456789"

            return StreamingResponse(chunks())

        assert len(fetch(observed(app), "/stream").content) == 100_000

        assert [span.name for span in capture.spans] == ["GET /stream"]
        assert capture.spans[0].attributes is not None
        assert capture.spans[0].attributes["capibara6.api.chunks"] == 10_000
        assert capture.value("capibara6.api.requests") == 1

    @pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
    def test_responses_without_body(self, capture: Capture, wrapped: Observe, method: str, status: int) -> None:
        """A response without body ends with its last message and has no bytes; a HEAD's body is not sent."""
        run(wrapped(plain(status, b"hello" if method == "HEAD" else b"")), scope("/", method))

        attributes = capture.attributes(method)
        assert attributes["http.response.status_code"] == status
        assert attributes["http.response.body.size"] == 0
        assert attributes["capibara6.api.chunks"] == 0
        assert attributes["capibara6.outcome"] == "success"

    def test_trailers_are_part_of_the_response(self, capture: Capture, wrapped: Observe) -> None:
        """With trailers announced the last byte is theirs."""

        async def app(_scope: Any, _receive: Any, send: Any) -> None:
            await send({**START, "trailers": True})
            await send({"type": "http.response.body", "body": b"x"})
            capture.clock.advance(1)
            await send({"type": "http.response.trailers", "headers": [], "more_trailers": True})
            capture.clock.advance(1)
            await send({"type": "http.response.trailers", "headers": []})
            capture.clock.advance(1)

        run(wrapped(app))

        assert histogram(capture, "capibara6.api.request.duration").sum == 2
        assert capture.attributes("GET")["capibara6.outcome"] == "success"

    @pytest.mark.parametrize("kind", ["http.response.pathsend", "http.response.zerocopysend"])
    def test_files_the_server_sends(self, capture: Capture, wrapped: Observe, kind: str) -> None:
        """A file that the server reads itself ends the response; its size is not known here."""

        async def app(_scope: Any, _receive: Any, send: Any) -> None:
            await send(START)
            await send({"type": kind, "path": "/x"})

        run(wrapped(app))

        attributes = capture.attributes("GET")
        assert attributes["capibara6.outcome"] == "success"
        assert "http.response.body.size" not in attributes

    def test_file_responses(self, capture: Capture, observed: Observe, tmp_path: Any) -> None:
        """A file that the framework sends counts byte by byte."""
        (tmp_path / "f").write_bytes(b"x" * 200_000)
        app = Starlette(routes=[Route("/f", lambda _: FileResponse(tmp_path / "f"))])

        fetch(observed(app), "/f")

        assert capture.attributes("GET /f")["http.response.body.size"] == 200_000

    def test_active_requests(self, capture: Capture, wrapped: Observe) -> None:
        """While a request runs it counts as active, and no longer."""
        during: list[float] = []

        async def app(made: Any, receive: Any, send: Any) -> None:
            during.append(capture.value("capibara6.api.requests.active"))
            await plain()(made, receive, send)

        run(wrapped(app))

        assert during == [1]
        assert capture.value("capibara6.api.requests.active") == 0

    def test_unknown_methods(self, capture: Capture, wrapped: Observe) -> None:
        """A method nobody knows is one label value, whatever it is."""
        run(wrapped(plain()), scope("/", "BREW"))

        assert capture.value("capibara6.api.requests", {"http.request.method": "_OTHER"}) == 1
        assert capture.attributes("HTTP")["http.request.method_original"] == "BREW"


class TestFailures:
    """Exceptions and failures' statuses."""

    def test_an_exception_goes_on_unchanged(self, capture: Capture, wrapped: Observe) -> None:
        """The server gets the app's exception; the request has its class, and status 500 that the server will send."""
        fault = ValueError("password=hunter2 is wrong")

        async def app(_scope: Any, _receive: Any, _send: Any) -> None:
            raise fault

        with pytest.raises(ValueError, match="hunter2") as caught:
            run(wrapped(app))

        assert caught.value is fault
        assert caught.value.__context__ is None
        span = capture.span("GET")
        assert span.status.status_code is StatusCode.ERROR
        assert span.attributes is not None
        assert span.attributes["error.type"] == "ValueError"
        assert span.attributes["http.response.status_code"] == 500
        assert "hunter2" not in str([event.attributes for event in span.events]).replace(str(fault), "")
        assert capture.value("capibara6.api.exceptions", {"exception.type": "ValueError"}) == 1

    def test_what_the_error_handler_raises_again_is_the_requests(self, capture: Capture, observed: Observe) -> None:
        """An exception that was answered with 500 already still names the failure, and no background work."""

        async def boom(_request: Any) -> Response:
            raise KeyError("x")

        fetch(observed(Starlette(routes=[Route("/boom", boom)])), "/boom")

        attributes = capture.attributes("GET /boom")
        assert attributes["error.type"] == "KeyError"
        assert attributes["http.response.status_code"] == 500
        assert [span.name for span in capture.spans] == ["GET /boom"]
        assert capture.value("capibara6.api.exceptions", {"http.route": "/boom"}) == 1

    def test_a_handler_of_ones_own(self, capture: Capture, observed: Observe) -> None:
        """An exception that the app turns into a response of 503 is a failure named 503."""
        app = FastAPI(telemetry=OFF)

        @app.exception_handler(LookupError)
        async def handle(_request: Any, _error: Any) -> JSONResponse:
            return JSONResponse({}, status_code=503)

        @app.get("/x")
        async def x() -> None:
            raise LookupError

        assert fetch(observed(app), "/x").status_code == 503

        span = capture.span("GET /x")
        assert span.attributes is not None
        assert span.attributes["error.type"] == "503"
        assert span.status.status_code is StatusCode.ERROR
        assert span.events == ()
        assert capture.points("capibara6.api.exceptions") == []

    @pytest.mark.parametrize(
        ("status", "shown", "kind"), [(HTTPStatus.BAD_GATEWAY, 502, "502"), (599, 599, "599"), (700, None, None)]
    )
    def test_whatever_an_app_gives_for_a_status(
        self,
        capture: Capture,
        wrapped: Observe,
        monkeypatch: pytest.MonkeyPatch,
        status: int,
        shown: int | None,
        kind: str | None,
    ) -> None:
        """A member of an enum counts for its number; a number that is no status is left out and no failure."""
        monkeypatch.setenv("CAPIBARA_RAISE", "0")
        run(wrapped(plain(status)))

        attributes = capture.attributes("GET")
        assert (attributes.get("http.response.status_code"), attributes.get("error.type")) == (shown, kind)

    def test_a_clients_mistake_is_no_failure(self, capture: Capture, wrapped: Observe) -> None:
        """Statuses of 400 and above are the client's, and no error here."""
        run(wrapped(plain(422)))

        attributes = capture.attributes("GET")
        assert attributes["capibara6.outcome"] == "success"
        assert "error.type" not in attributes
        assert capture.span("GET").status.status_code is StatusCode.UNSET

    def test_an_exception_in_mid_stream(self, capture: Capture, wrapped: Observe) -> None:
        """What fails after the head was sent has the status that was sent, and the class of the failure."""

        async def app(_scope: Any, _receive: Any, send: Any) -> None:
            await send(START)
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            raise RuntimeError("in the middle")

        with pytest.raises(RuntimeError):
            run(wrapped(app))

        attributes = capture.attributes("GET")
        assert attributes["http.response.status_code"] == 200
        assert attributes["error.type"] == "RuntimeError"
        assert attributes["http.response.body.size"] == 1

    @pytest.mark.parametrize("messages", [[], [START]])
    def test_an_app_that_does_not_answer(self, capture: Capture, wrapped: Observe, messages: list[Any]) -> None:
        """An app that returns without a complete response has failed."""

        async def app(_scope: Any, _receive: Any, send: Any) -> None:
            for message in messages:
                await send(message)

        run(wrapped(app))

        attributes = capture.attributes("GET")
        assert attributes["error.type"] == "incomplete_response"
        assert attributes["http.response.status_code"] == (200 if messages else 500)

    def test_cancellation_is_nobodys_fault(self, capture: Capture, wrapped: Observe) -> None:
        """A request cancelled while the client was there is cancelled, without status and without error."""

        async def app(_scope: Any, _receive: Any, _send: Any) -> None:
            await asyncio.Event().wait()

        async def go() -> None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(call(wrapped(app), scope()), 0.01)

        asyncio.run(go())

        attributes = capture.attributes("GET")
        assert attributes["capibara6.outcome"] == "cancelled"
        assert "error.type" not in attributes
        assert "http.response.status_code" not in attributes
        assert capture.points("capibara6.api.exceptions") == []


class TestDisconnects:
    """Clients that leave before the last byte."""

    def check(self, capture: Capture, app: App, incoming: list[Any], error: type[BaseException] | None = None) -> None:
        """Run the app and find a disconnect, which is no error."""
        with pytest.raises(error) if error else contextlib.nullcontext():
            run(app, scope(), incoming)
        attributes = capture.attributes("GET")
        assert attributes["capibara6.outcome"] == "disconnected"
        assert "error.type" not in attributes
        assert capture.span("GET").status.status_code is StatusCode.UNSET
        assert capture.span("GET").events == ()
        assert capture.value("capibara6.api.disconnects") == 1
        assert capture.value("capibara6.api.requests", {"capibara6.outcome": "disconnected"}) == 1
        assert capture.points("capibara6.api.exceptions") == []

    def test_told_while_streaming(self, capture: Capture, observed: Observe) -> None:
        """A streaming response that stops for a client that left ends as disconnected."""

        async def chunks() -> Any:
            while True:
                yield b"x"
                await asyncio.sleep(0.001)

        app = Starlette(routes=[Route("/", lambda _: StreamingResponse(chunks()))])

        with pytest.raises(AssertionError):
            self.check(capture, observed(app), [{"type": "http.request", "body": b""}, GONE])

        assert capture.attributes("GET /")["capibara6.outcome"] == "disconnected"

    def test_told_while_reading(self, capture: Capture, wrapped: Observe) -> None:
        """A client that leaves during its upload has disconnected, although the framework answers with an error."""

        async def app(made: Any, receive: Any, send: Any) -> None:
            with contextlib.suppress(ClientDisconnect):
                await Request(made, receive).body()
            await plain(400)(made, receive, send)

        self.check(capture, wrapped(app), [{"type": "http.request", "body": b"part", "more_body": True}, GONE])

    @pytest.mark.parametrize("error", [ClientDisconnect, OSError, ConnectionResetError, asyncio.CancelledError])
    def test_told_by_an_exception(self, capture: Capture, wrapped: Observe, error: type[BaseException]) -> None:
        """An exception that only says that the client left is no failure, and goes on."""

        async def app(_scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            await receive()
            raise error

        self.check(capture, wrapped(app), [GONE], error)

    @pytest.mark.parametrize("at", ["middle", "end"])
    def test_told_by_sending(self, capture: Capture, wrapped: Observe, at: str) -> None:
        """A server whose `send` raises OSError says that the client left, be it with the last byte."""

        async def app(_scope: Any, _receive: Any, send: Any) -> None:
            await send(START)
            await send({"type": "http.response.body", "body": b"x", "more_body": at == "middle"})

        async def server(made: Any, receive: Any, send: Any) -> None:
            async def broken(message: Any) -> None:
                if message["type"] == "http.response.body":
                    raise OSError("gone")
                await send(message)

            await wrapped(app)(made, receive, broken)

        self.check(capture, server, [], OSError)

    def test_another_failure_after_it_is_a_failure(self, capture: Capture, wrapped: Observe) -> None:
        """A bug that shows only when the client has left is still a bug."""

        async def app(_scope: Any, receive: Any, _send: Any) -> None:
            await receive()
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            run(wrapped(app), scope(), [GONE])

        assert capture.attributes("GET")["error.type"] == "ZeroDivisionError"

    @pytest.mark.parametrize(("status", "outcome"), [(200, "success"), (503, "error")])
    def test_after_the_last_byte_it_is_none(
        self, capture: Capture, wrapped: Observe, status: int, outcome: str
    ) -> None:
        """Servers say `http.disconnect` to whoever receives after the end; the request is what its response was."""

        async def app(made: Any, receive: Any, send: Any) -> None:
            await plain(status)(made, receive, send)
            await receive()

        run(wrapped(app), scope(), [GONE])

        assert capture.attributes("GET")["capibara6.outcome"] == outcome
        assert capture.points("capibara6.api.disconnects") == []


class TestLeftovers:
    """What is left of a request when it is over: nothing."""

    def test_no_work_for_the_garbage_collector(self, wrapped: Observe) -> None:
        """A request that is over is gone at once, for cycles would cost every request a bit of collecting."""
        app = wrapped(plain())
        run(app)
        gc.collect()
        gc.disable()
        try:
            for _ in range(3):
                run(app)
            left = [each for each in gc.get_objects() if isinstance(each, HttpExchange | Rest)]
        finally:
            gc.enable()

        assert left == []

    def test_fastapis_record_lets_go(self, observed: Observe) -> None:
        """FastAPI's record of a request keeps neither its data nor its exceptions, and is out of the scope."""
        seen: list[Any] = []
        app = FastAPI(telemetry=OFF)

        @app.get("/boom")
        async def boom(request: Request) -> None:
            seen.extend([request.scope, request.scope["fastapi.telemetry"]])
            raise ValueError

        fetch(observed(app), "/boom")

        made, record = seen
        assert "fastapi.telemetry" not in made
        assert (record.data, record._exceptions) == (None, [])


class TestTheRest:
    """What an app does after the last byte."""

    def background(self, observed: Observe, task: Any, status: int = 200) -> Any:
        """Return an observed app that leaves a task behind."""
        app = FastAPI(telemetry=OFF)

        @app.get("/x/{y}", status_code=status)
        async def x(y: int, tasks: BackgroundTasks) -> int:
            tasks.add_task(task)
            return y

        return observed(app)

    def test_background_work_is_apart(self, capture: Capture, observed: Observe) -> None:
        """The request's time ends with the last byte; the rest is a span below it with a metric of its own."""

        async def task() -> None:
            capture.clock.advance(2)
            await asyncio.sleep(0.001)

        fetch(self.background(observed, task), "/x/1")

        request, rest = capture.span("GET /x/{y}"), capture.span("background /x/{y}")
        assert histogram(capture, "capibara6.api.request.duration").sum == 0
        assert histogram(capture, "capibara6.api.background.duration").sum == 2
        assert rest.kind is SpanKind.INTERNAL
        assert rest.parent is not None
        assert rest.parent.span_id == request.context.span_id
        assert (rest.start_time, rest.end_time) == (request.end_time, (request.end_time or 0) + 2_000_000_000)
        assert rest.attributes is not None
        assert rest.attributes["capibara6.request.id"] == (request.attributes or {})["capibara6.request.id"]

    @pytest.mark.parametrize("kind", ["async", "thread", "starlette", "stream"])
    def test_spans_in_there_nest(self, capture: Capture, observed: Observe, kind: str) -> None:
        """Spans of background tasks are below the background span, from the loop and from threads."""

        async def task() -> None:
            with cap.rag.search(index="docs"):
                await asyncio.sleep(0)

        def thread_task() -> None:
            with cap.rag.search(index="docs"):
                pass

        if kind in {"async", "thread"}:
            app = self.background(observed, task if kind == "async" else thread_task)
        else:
            response: Callable[..., Response] = (
                (lambda _: PlainTextResponse("x", background=BackgroundTask(task)))
                if kind == "starlette"
                else (lambda _: StreamingResponse(iter(["a"]), background=BackgroundTask(task)))
            )
            app = observed(Starlette(routes=[Route("/x/{y}", response)]))
        fetch(app, "/x/1")

        search, rest = capture.span("rag search docs"), capture.span("background /x/{y}")
        assert search.parent is not None
        assert search.parent.span_id == rest.context.span_id

    def test_behind_a_middleware_function(self, capture: Capture, observed: Observe) -> None:
        """Under `BaseHTTPMiddleware` a task runs in a context of its own; its spans stay in the trace."""
        app = self.background(observed, lambda: cap.rag.search(index="docs").record(0.1))

        async def middleware(request: Request, call_next: Any) -> Any:
            return await call_next(request)

        app.middleware("http")(middleware)
        fetch(app, "/x/1")

        request, search = capture.span("GET /x/{y}"), capture.span("rag search docs")
        assert search.context.trace_id == request.context.trace_id

    def test_its_exception_is_its_own(self, capture: Capture, observed: Observe) -> None:
        """What a background task raises is no failure of the request that was answered, and goes on."""

        async def task() -> None:
            raise ValueError("late")

        with pytest.raises(ValueError, match="late"):
            fetch(self.background(observed, task), "/x/1", raise_errors=True)

        assert capture.attributes("GET /x/{y}")["capibara6.outcome"] == "success"
        rest = capture.span("background /x/{y}")
        assert rest.attributes is not None
        assert rest.attributes["error.type"] == "ValueError"
        assert [event.name for event in rest.events] == ["exception"]
        assert capture.value("capibara6.api.background.duration", {"error.type": "ValueError"}) == 1
        assert capture.value("capibara6.api.exceptions", {"http.route": "/x/{y}"}) == 1

    def test_after_a_failures_status_too(self, capture: Capture, observed: Observe) -> None:
        """A response of 503 that leaves work behind ends at its last byte as any other."""

        async def task() -> None:
            await asyncio.sleep(0.001)
            capture.clock.advance(3)

        fetch(self.background(observed, task, 503), "/x/1")

        assert capture.attributes("GET /x/{y}")["error.type"] == "503"
        assert histogram(capture, "capibara6.api.request.duration").sum == 0
        assert histogram(capture, "capibara6.api.background.duration").sum == 3

    def test_who_it_is_for_is_known_there(self, capture: Capture, wrapped: Observe) -> None:
        """What `cap.context` said around the last byte is on the background span."""

        async def app(made: Any, receive: Any, send: Any) -> None:
            with cap.context(user_id="u1"):
                await plain()(made, receive, send)
                cap.rag.search(index="docs").record(0.1)

        run(wrapped(app))

        assert capture.attributes("background")["user.id"] == "u1"
        assert capture.attributes("rag search docs")["user.id"] == "u1"

    def test_an_open_span_around_the_response_stays_the_parent(self, capture: Capture, wrapped: Observe) -> None:
        """Where the app itself has a span open, that stays current after the last byte."""

        async def app(made: Any, receive: Any, send: Any) -> None:
            with cap.agents.interaction(domain="d"):
                await plain()(made, receive, send)
                with cap.rag.search(index="docs"):
                    pass

        run(wrapped(app))

        outer, search = capture.span("agents interaction d"), capture.span("rag search docs")
        assert search.parent is not None
        assert search.parent.span_id == outer.context.span_id
        assert len(capture.spans) == 3

    def test_returning_at_once_is_no_work(self, capture: Capture, wrapped: Observe) -> None:
        """An app that returns after the last byte, or only tidies up, leaves no background span."""

        async def tidy(made: Any, receive: Any, send: Any) -> None:
            await plain()(made, receive, send)
            await asyncio.sleep(0)

        async def busy(made: Any, receive: Any, send: Any) -> None:
            await plain()(made, receive, send)
            capture.clock.advance(0.005)  # the process was held up

        for app in (plain(), tidy, busy):
            run(wrapped(app))

        assert [span.name for span in capture.spans] == ["GET"] * 3
        assert capture.points("capibara6.api.background.duration") == []

    def test_a_millisecond_with_waiting_is_work(self, capture: Capture, wrapped: Observe) -> None:
        """What takes a millisecond or more counts as work if it gave up control in between, in any event loop."""

        async def app(made: Any, receive: Any, send: Any) -> None:
            await plain()(made, receive, send)
            capture.clock.advance(0.002)
            await asyncio.sleep(0)

        wrapper = wrapped(app)
        for _ in range(2):
            run(wrapper)

        assert [span.name for span in capture.spans] == ["GET", "background"] * 2

    def test_each_request_waits_for_itself(self, capture: Capture, wrapped: Observe) -> None:
        """Of requests that end in the same turn of the event loop only those that wait have background work."""

        async def app(made: Any, receive: Any, send: Any) -> None:
            await plain()(made, receive, send)
            capture.clock.advance(0.002)
            if made["path"] == "/waits":
                await asyncio.sleep(0)

        async def go() -> None:
            wrapper = wrapped(app)
            paths = ("/returns", "/waits", "/returns", "/waits")
            await asyncio.gather(*(call(wrapper, scope(path)) for path in paths))

        asyncio.run(go())

        requests = {
            span.context.span_id: (span.attributes or {})["url.path"] for span in capture.spans if not span.parent
        }
        behind = [requests[span.parent.span_id] for span in capture.spans if span.parent]
        assert behind == ["/waits", "/waits"]

    def test_threads_that_ask_at_once(self, capture: Capture, wrapped: Observe) -> None:
        """Threads of the rest that open spans at the same moment are below one background span."""
        together = threading.Barrier(8)

        def search() -> None:
            together.wait()
            with cap.rag.search(index="docs"):
                pass

        async def app(made: Any, receive: Any, send: Any) -> None:
            await plain()(made, receive, send)
            with ThreadPoolExecutor(8) as pool:
                here = contextvars.copy_context
                await asyncio.gather(*(asyncio.wrap_future(pool.submit(here().run, search)) for _ in range(8)))

        run(wrapped(app))

        rest = capture.span("background")
        searches = [span for span in capture.spans if span.name == "rag search docs"]
        assert [span.parent for span in searches] == [rest.context] * 8
        assert len(capture.spans) == 10

    def test_its_span_takes_what_a_span_takes(self, capture: Capture, wrapped: Observe) -> None:
        """Whoever writes to the current span in the rest writes to the background span; nobody can end it early."""

        async def app(made: Any, receive: Any, send: Any) -> None:
            await plain()(made, receive, send)
            span = trace.get_current_span()
            assert span.is_recording()
            span.set_attribute("a", 1)
            span.set_attributes({"b": 2})
            span.add_event("event")
            span.record_exception(ValueError("handled"))
            span.set_status(StatusCode.ERROR, "because")
            span.update_name("renamed")
            span.end()

        run(wrapped(app))

        span = capture.span("renamed")
        assert span.attributes is not None
        assert (span.attributes["a"], span.attributes["b"]) == (1, 2)
        assert [event.name for event in span.events] == ["event", "exception"]
        assert span.status.description == "because"

    def test_a_task_that_outlives_it(self, capture: Capture, wrapped: Observe) -> None:
        """A detached task that goes on after everything is still in the trace of the request."""

        async def detached() -> None:
            await asyncio.sleep(0.01)
            with cap.rag.search(index="docs"):
                pass

        async def app(made: Any, receive: Any, send: Any) -> None:
            await plain()(made, receive, send)
            made["task"] = asyncio.create_task(detached())

        async def go() -> None:
            made = scope()
            await call(wrapped(app), made)
            await made["task"]

        asyncio.run(go())

        assert capture.span("rag search docs").parent == capture.span("GET").context
        assert len(capture.spans) == 2

    def test_another_event_loop(self, capture: Capture, wrapped: Observe) -> None:
        """Without asyncio the request ends at its last byte too, and the rest is what comes after."""

        async def app(made: Any, receive: Any, send: Any) -> None:
            await plain(503)(made, receive, send)
            capture.clock.advance(1)

        async def nothing(_message: Any = None) -> dict[str, Any]:
            return {"type": "http.request"}

        coroutine = wrapped(app)(scope(), nothing, nothing)
        with pytest.raises(StopIteration):
            coroutine.send(None)

        assert capture.attributes("GET")["error.type"] == "503"
        assert histogram(capture, "capibara6.api.request.duration").sum == 0
        assert histogram(capture, "capibara6.api.background.duration").sum == 1

    def test_a_log_line_of_an_exception_is_the_requests(
        self, capture: Capture, observed: Observe, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A middleware outside of the error handler that logs the exception makes no background span of it."""

        async def boom(_request: Any) -> Response:
            raise KeyError("x")

        app = observed(Starlette(routes=[Route("/boom", boom)]))
        with caplog.at_level(logging.ERROR):
            fetch(app, "/boom")

        assert [span.name for span in capture.spans] == ["GET /boom"]
