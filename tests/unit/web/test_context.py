"""What comes with a request and what goes on from it: trace context, baggage, request id, headers."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import baggage, context, propagate, trace
from opentelemetry.instrumentation.propagators import (
    TraceResponsePropagator,
    get_global_response_propagator,
    set_global_response_propagator,
)
from opentelemetry.propagators.textmap import TextMapPropagator

import capibara_otel as cap
from capibara_otel.operation import who
from capibara_otel.testing import Capture
from capibara_otel.web import WebOptions
from tests.unit.web.driver import call, fetch, plain, run, scope

Observe = Callable[..., Any]
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = (b"traceparent", f"00-{TRACE}-{PARENT}-01".encode())


class TestTraceContext:
    """W3C trace context in and out."""

    def test_in_and_out(self, capture: Capture, wrapped: Observe) -> None:
        """The caller's trace goes on: through the request's span, to what the app calls."""
        onward: dict[str, str] = {}

        async def app(made: Any, receive: Any, send: Any) -> None:
            propagate.inject(onward)
            assert baggage.get_all() == {"a": "1", "b": "2"}
            await plain()(made, receive, send)

        headers = [TRACEPARENT, (b"tracestate", b"x=1"), (b"baggage", b"a=1"), (b"baggage", b"b=2")]
        run(wrapped(app), scope(headers=headers))

        [span] = capture.spans
        assert span.parent is not None
        assert (span.context.trace_id, span.parent.span_id) == (int(TRACE, 16), int(PARENT, 16))
        assert span.parent.is_remote
        assert onward["traceparent"] == f"00-{TRACE}-{span.context.span_id:016x}-01"
        assert onward["tracestate"] == "x=1"
        assert onward["baggage"] == "a=1,b=2"

    def test_nonsense_begins_a_trace(self, capture: Capture, wrapped: Observe) -> None:
        """A traceparent that is none is as good as none."""
        run(wrapped(plain()), scope(headers=[(b"traceparent", b"\xff nonsense")]))

        assert capture.spans[0].parent is None

    def test_a_span_around_the_app_is_the_parent(self, capture: Capture, wrapped: Observe) -> None:
        """Called inside of a span, as tests and in-process calls do, the request is below that span."""
        tracer = trace.get_tracer("test", tracer_provider=capture.tracer_provider)
        with tracer.start_as_current_span("around") as around:
            run(wrapped(plain()))

        assert capture.span("GET").parent == around.get_span_context()

    def test_the_users_response_propagator_is_honoured(self, capture: Capture, wrapped: Observe) -> None:
        """Who has set OpenTelemetry's response propagator gets its header, as from contrib."""
        before = get_global_response_propagator()  # type: ignore[no-untyped-call]
        set_global_response_propagator(TraceResponsePropagator())  # type: ignore[no-untyped-call]
        try:
            sent = run(wrapped(plain()))
        finally:
            set_global_response_propagator(before)  # type: ignore[no-untyped-call]

        headers = dict(sent[0]["headers"])
        assert f"{capture.spans[0].context.trace_id:032x}".encode() in headers[b"traceresponse"]


class TestNesting:
    """What the app does is inside of the request, and nothing stays behind."""

    def test_spans_and_lines_nest(self, capture: Capture, wrapped: Observe) -> None:
        """Operations and log lines of the app are below the request and carry its id."""

        async def app(made: Any, receive: Any, send: Any) -> None:
            assert cap.current() is not None
            with cap.rag.search(index="docs"):
                cap.log.rag.info("inside")
            await plain()(made, receive, send)

        run(wrapped(app), scope(headers=[(b"x-request-id", b"r-1")]))

        search, request = capture.span("rag search docs"), capture.span("GET")
        assert search.parent is not None
        assert search.parent.span_id == request.context.span_id
        assert (search.attributes or {})["capibara6.request.id"] == "r-1"
        line = next(line for line in map(json.loads, capture.lines) if line["message"] == "inside")
        assert "r-1" in json.dumps(line)
        assert f"{request.context.trace_id:032x}" in json.dumps(line)

    def test_the_servers_calls_run_outside(self, wrapped: Observe) -> None:
        """A server that starts its next task from `receive` or the last `send` starts it outside of this request."""
        seen: list[tuple[str, bool, bool]] = []

        def look(place: str) -> None:
            seen.append((place, trace.get_current_span() is trace.INVALID_SPAN, not who()))

        async def app(made: Any, receive: Any, send: Any) -> None:
            with cap.context(user_id="u"):
                await receive()
                assert who()["user.id"] == "u"
                await plain()(made, receive, send)
                assert who()["user.id"] == "u"

        async def server() -> None:
            async def receive() -> dict[str, Any]:
                look("receive")
                return {"type": "http.request"}

            async def send(message: dict[str, Any]) -> None:
                if message["type"] == "http.response.body":
                    look("last")

            await wrapped(app)(scope(), receive, send)
            look("after")

        asyncio.run(server())

        assert seen == [("receive", True, True), ("last", True, True), ("after", True, True)]

    def test_what_an_app_leaves_attached_is_gone(self, capture: Capture, wrapped: Observe) -> None:
        """An app that forgets to detach a context does not spoil the next request of the connection."""

        async def app(made: Any, receive: Any, send: Any) -> None:
            context.attach(context.set_value("leaked", made["path"]))
            await plain()(made, receive, send)

        async def connection() -> None:
            for path in ("/1", "/2"):
                assert context.get_value("leaked") is None
                await call(wrapped(app), scope(path))
            assert context.get_value("leaked") is None

        asyncio.run(connection())

        assert [span.parent for span in capture.spans if span.name == "GET"] == [None, None]


class TestRequestId:
    """`X-Request-ID` in and out."""

    @pytest.mark.parametrize("given", [b"r-1", b"a" * 128, b"A.b_c:/+=@-9"])
    def test_a_sane_one_is_taken(self, capture: Capture, wrapped: Observe, given: bytes) -> None:
        """The client's id is the request's, and is in the response."""
        sent = run(wrapped(plain()), scope(headers=[(b"x-request-id", given)]))

        assert (b"x-request-id", given) in sent[0]["headers"]
        assert capture.attributes("GET")["capibara6.request.id"] == given.decode()

    @pytest.mark.parametrize("given", [b"", b"a" * 129, b"a b", b"a\n", b"<script>", b"\xff", b'"', None])
    def test_others_are_replaced(self, capture: Capture, wrapped: Observe, given: bytes | None) -> None:
        """Without an id, or with one that could do harm, a new one is made."""
        headers = [] if given is None else [(b"x-request-id", given)]
        sent = run(wrapped(plain(), new_request_id=lambda: "made"), scope(headers=headers))

        assert dict(sent[0]["headers"])[b"x-request-id"] == b"made"
        assert capture.attributes("GET")["capibara6.request.id"] == "made"

    def test_new_ones_differ(self, wrapped: Observe) -> None:
        """By default a new id is 32 hexadecimal digits, another one each time."""
        app = wrapped(plain())
        ids = {dict(run(app)[0]["headers"])[b"x-request-id"] for _ in range(20)}

        assert len(ids) == 20
        assert all(len(each) == 32 and int(each, 16) for each in ids)

    def test_an_apps_seed_repeats_none(self, wrapped: Observe) -> None:
        """An app that seeds Python's random numbers, as models' code does, gets no id a second time."""
        app = wrapped(plain())
        ids = set()
        for _ in range(3):
            random.seed(42)
            ids.add(dict(run(app)[0]["headers"])[b"x-request-id"])

        assert len(ids) == 3

    def test_the_apps_own_is_left_alone(self, wrapped: Observe) -> None:
        """An app that sets the header itself decides; it is not there twice."""
        sent = run(wrapped(plain(headers=[(b"X-Request-ID", b"mine")])))

        assert sent[0]["headers"] == [(b"X-Request-ID", b"mine")]

    def test_the_apps_message_is_not_changed(self, wrapped: Observe) -> None:
        """A header list that an app uses for every response does not grow."""
        shared: list[tuple[bytes, bytes]] = [(b"a", b"b")]
        message = {"type": "http.response.start", "status": 200, "headers": shared}

        async def app(_scope: Any, _receive: Any, send: Any) -> None:
            await send(message)
            await send({"type": "http.response.body"})

        run(wrapped(app))

        assert shared == [(b"a", b"b")]
        assert message["headers"] is shared


class TestAttributes:
    """What a request says about itself."""

    def test_the_request(self, capture: Capture, wrapped: Observe) -> None:
        """Scheme, host, port, client, protocol and user agent are on the span."""
        headers = [(b"host", b"shop.test:8443"), (b"user-agent", b"curl/9")]
        run(wrapped(plain()), scope("/a/b", scheme="https", headers=headers, http_version="2"))

        attributes = capture.attributes("GET")
        assert {name: value for name, value in attributes.items() if not name.startswith(("capibara6", "http"))} == {
            "url.path": "/a/b",
            "url.scheme": "https",
            "server.address": "shop.test",
            "server.port": 8443,
            "client.address": "10.0.0.9",
            "user_agent.original": "curl/9",
            "network.protocol.version": "2",
        }

    @pytest.mark.parametrize(
        ("made", "address", "port"),
        [
            ({"headers": [(b"host", b"a.test")]}, "a.test", 80),
            ({"headers": [(b"host", b"a.test")], "scheme": "https"}, "a.test", 443),
            ({"headers": [(b"host", b"[::1]:9")]}, "::1", 9),
            ({"headers": [(b"host", b"user@a.test")]}, None, None),
            ({"headers": [(b"host", b"a.test/x?y")]}, None, None),
            ({"headers": [(b"host", b"a:99999999")]}, None, None),
            ({"headers": []}, "127.0.0.1", 8000),
            ({"headers": [], "server": ("/run/app.sock", None)}, "/run/app.sock", None),
            ({"headers": [], "server": None, "client": None}, None, None),
        ],
    )
    def test_the_server(
        self, capture: Capture, wrapped: Observe, made: dict[str, Any], address: str | None, port: int | None
    ) -> None:
        """Host and port are those of the Host header, else the server's; what is none is left out."""
        run(wrapped(plain()), scope(**made))

        attributes = capture.attributes("GET")
        assert (attributes.get("server.address"), attributes.get("server.port")) == (address, port)

    def test_many_hosts(self, capture: Capture, wrapped: Observe) -> None:
        """However many hosts clients claim, by whatever scheme, each request has its own."""
        app = wrapped(plain())
        for number in range(300):
            for scheme in ("http", "https"):
                run(app, scope(headers=[(b"host", b"%d.test" % number)], scheme=scheme))

        seen = [(span.attributes or {}) for span in capture.spans]
        assert [(each["server.address"], each["server.port"]) for each in seen] == [
            (f"{number}.test", port) for number in range(300) for port in (80, 443)
        ]

    @pytest.mark.parametrize(("path", "shown"), [("/größe", "/größe"), ("/\udcff", "/\\udcff"), ("", None)])
    def test_the_path(self, capture: Capture, wrapped: Observe, path: str, shown: str | None) -> None:
        """A path is on the span in a form that every outlet can encode; an empty one says nothing."""
        run(wrapped(plain()), scope(path))

        assert capture.attributes("GET").get("url.path") == shown

    @pytest.mark.parametrize("client", [(None, 0), (4711, 0)])
    def test_a_client_without_address(
        self, capture: Capture, wrapped: Observe, monkeypatch: pytest.MonkeyPatch, client: tuple[Any, int]
    ) -> None:
        """What a server gives for an address and is none is left out; the rest stays."""
        monkeypatch.setenv("CAPIBARA_RAISE", "0")
        run(wrapped(plain()), scope("/x", client=client))

        assert "client.address" not in capture.attributes("GET")
        assert capture.attributes("GET")["url.path"] == "/x"

    def test_without_the_optional_keys(self, capture: Capture, wrapped: Observe) -> None:
        """A scope that has only what ASGI demands is enough."""
        made = scope("/x")
        for key in ("scheme", "client", "server", "root_path"):
            del made[key]
        run(wrapped(plain()), made)

        attributes = capture.attributes("GET")
        assert (attributes["url.scheme"], attributes["server.address"], attributes["server.port"]) == (
            "http",
            "api.test",
            80,
        )

    @pytest.mark.parametrize(
        ("query", "shown"),
        [
            (b"page=2&q=hello+world", "page=2&q=hello+world"),
            (b"token=abc&page=2", "token=[redacted]&page=2"),
            (b"X-Amz-Signature=f00&a=1", "X-Amz-Signature=[redacted]&a=1"),
            (b"api%5Fkey=abc", "api%5Fkey=[redacted]"),
            (b"mail=jane.doe%40example.com", "mail=[redacted]"),
            (b"jane.doe%40example.com", "[redacted]"),
            (b"flag&x=", "flag&x="),
        ],
    )
    def test_the_query(self, capture: Capture, wrapped: Observe, query: bytes, shown: str) -> None:
        """Secrets in a query string are masked, by their name or by what they look like; the rest is as it came."""
        run(wrapped(plain()), scope(query_string=query))

        assert capture.attributes("GET")["url.query"] == shown

    def test_a_long_query_is_cut(self, capture: Capture, wrapped: Observe) -> None:
        """However long a query is, a bounded part of it is looked at."""
        run(wrapped(plain()), scope(query_string=b"a" * 100_000))

        assert len(str(capture.attributes("GET")["url.query"])) == 4096

    def test_headers_on_demand(self, capture: Capture, wrapped: Observe) -> None:
        """Headers the operator asks for are on the span as lists, redacted by name and content; others are not."""
        options = WebOptions(
            capture_request_headers=("Accept", "Authorization", "X-Missing", "X-Note"),
            capture_response_headers=("Content-Type", "Set-Cookie"),
        )
        request = [
            (b"accept", b"text/html"),
            (b"accept", b"*/*"),
            (b"authorization", b"Bearer abc"),
            (b"x-note", b"mail jane.doe@example.com"),
            (b"x-other", b"1"),
        ]
        response = [(b"Content-Type", b"text/plain"), (b"set-cookie", b"sid=1"), (b"server", b"x")]
        run(wrapped(plain(headers=response), options=options), scope(headers=request))

        attributes = capture.attributes("GET")
        assert {name: value for name, value in attributes.items() if ".header." in name} == {
            "http.request.header.accept": ("text/html", "*/*"),
            "http.request.header.authorization": ("[redacted]",),
            "http.request.header.x-note": ("mail [redacted]",),
            "http.response.header.content-type": ("text/plain",),
            "http.response.header.set-cookie": ("[redacted]",),
        }

    def test_headers_may_be_any_iterable(self, capture: Capture, wrapped: Observe) -> None:
        """A server that gives headers as an iterator has them read once, and the app still gets them."""
        seen: list[Any] = []

        async def app(made: Any, receive: Any, send: Any) -> None:
            seen.extend(made["headers"])
            await plain()(made, receive, send)

        def headers() -> Iterator[tuple[bytes, bytes]]:
            yield (b"host", b"a.test")

        run(wrapped(app), scope(headers=headers()))

        assert seen == [(b"host", b"a.test")]
        assert capture.attributes("GET")["server.address"] == "a.test"

    def test_propagators_may_ask_for_all_names(self, wrapped: Observe) -> None:
        """A propagator that looks through all headers finds them."""

        class Jaeger(TextMapPropagator):
            names: list[str] = []  # noqa: RUF012 - a test double's memory

            def extract(self, carrier: Any, context: Any = None, getter: Any = None) -> Any:
                self.names.extend(getter.keys(carrier))
                return context

            def inject(self, carrier: Any, context: Any = None, setter: Any = None) -> None:
                raise NotImplementedError

            @property
            def fields(self) -> set[str]:
                return set()

        before = propagate.get_global_textmap()
        propagate.set_global_textmap(Jaeger())
        try:
            run(wrapped(plain()), scope(headers=[(b"host", b"x"), (b"uberctx-a", b"1")]))
        finally:
            propagate.set_global_textmap(before)

        assert Jaeger.names == ["host", "uberctx-a"]


def test_fetch_keeps_one_id(capture: Capture, observed: Observe) -> None:
    """Over a client of the real kind, the response has exactly one id."""
    response = fetch(observed(plain()), headers={"X-Request-ID": "abc"})

    assert response.headers.get_list("x-request-id") == ["abc"]
