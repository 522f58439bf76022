"""`cap.api`: requests, WebSocket connections and what goes on after them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from capibara_otel.exceptions import UsageError
from capibara_otel.sdk import Capibara
from capibara_otel.testing import Capture
from tests.support.emitted import metrics, only_span, point, typed

_POST = {"http__request__method": "POST", "http__route": "/api/v1/query"}
_OK = {"http__response__status_code": 200, "capibara6__outcome": "success"}


class TestRequest:
    """`cap.api.request(…)`."""

    def test_as_a_block(self, cap: Capibara, capture: Capture) -> None:
        """A request is a server span named after its route, a count, a duration, its sizes and its first byte."""
        with cap.api.request(
            method="POST",
            path="/api/v1/query",
            attributes={"url.query": "page=2", "server.port": 80, "http.request.header.accept": ["a", "b"]},
        ) as request:
            assert capture.value("capibara6.api.requests.active", {"http.request.method": "POST"}) == 1
            capture.clock.advance(0.5)
            request.routed("/api/v1/query")
            request.responded(200, first_byte_s=0.4)
            request.sizes(request=12, response=3400, chunks=2)

        assert only_span(capture) == (
            "POST /api/v1/query",
            "SERVER",
            "UNSET",
            typed(
                {
                    "http.request.method": "POST",
                    "http.route": "/api/v1/query",
                    "http.response.status_code": 200,
                    "http.request.body.size": 12,
                    "http.response.body.size": 3400,
                    "http.request.header.accept": ("a", "b"),
                    "url.path": "/api/v1/query",
                    "url.query": "page=2",
                    "server.port": 80,
                    "capibara6.api.chunks": 2,
                    "capibara6.outcome": "success",
                }
            ),
        )
        assert metrics(capture) == {
            "capibara6.api.requests": [point(1, **_POST, **_OK)],
            "capibara6.api.request.duration": [point((1, 0.5), **_POST, **_OK)],
            "capibara6.api.requests.active": [point(0, http__request__method="POST")],
            "capibara6.api.response.first_byte.duration": [point((1, 0.4), **_POST)],
            "capibara6.api.request.body.size": [point((1, 12.0), **_POST)],
            "capibara6.api.response.body.size": [point((1, 3400.0), **_POST)],
        }

    @pytest.mark.parametrize(
        ("status", "outcome", "kind", "span_status"),
        [
            (100, "success", None, "UNSET"),
            (404, "success", None, "UNSET"),
            (499, "success", None, "UNSET"),
            (500, "error", "500", "ERROR"),
            (503, "error", "503", "ERROR"),
            (599, "error", "599", "ERROR"),
        ],
    )
    def test_statuses(
        self, status: int, outcome: str, kind: str | None, span_status: str, cap: Capibara, capture: Capture
    ) -> None:
        """From 500 on it is the server's failure, named by the status; below it is not."""
        with cap.api.request(method="GET") as request:
            request.responded(status)

        _, _, seen, attributes = only_span(capture)
        assert seen == span_status
        assert attributes["capibara6.outcome"] == repr(outcome)
        assert attributes.get("error.type") == (repr(kind) if kind else None)

    @pytest.mark.parametrize(
        "method", ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"]
    )
    def test_known_methods(self, method: str, cap: Capibara, capture: Capture) -> None:
        """Methods of HTTP are labels of their own."""
        with cap.api.request(method=method):
            pass

        assert only_span(capture)[0] == method
        assert "http.request.method_original" not in capture.attributes(method)
        assert capture.value("capibara6.api.requests", {"http.request.method": method}) == 1

    @pytest.mark.parametrize("method", ["get", "BREW", "", "PROPFIND"])
    def test_unknown_methods(self, method: str, cap: Capibara, capture: Capture) -> None:
        """A method nobody knows becomes one label; the span keeps how it was written."""
        with cap.api.request(method=method) as request:
            request.routed(None)
            request.responded(405)

        name, _, _, attributes = only_span(capture)
        assert name == "HTTP"
        assert attributes["http.request.method"] == "'_OTHER'"
        assert attributes["http.request.method_original"] == repr(method)
        assert "http.route" not in attributes
        assert capture.value("capibara6.api.requests", {"http.request.method": "_OTHER"}) == 1

    def test_without_a_route(self, cap: Capibara, capture: Capture) -> None:
        """Where no route matched the span is named by its method and no path becomes a label."""
        with cap.api.request(method="GET", path="/wp-admin/7") as request:
            request.routed(None)
            request.routed("")
            request.responded(404)

        assert capture.attributes("GET")["url.path"] == "/wp-admin/7"
        assert metrics(capture)["capibara6.api.requests"] == [
            point(1, http__request__method="GET", http__response__status_code=404, capibara6__outcome="success")
        ]

    def test_a_client_that_leaves(self, cap: Capibara, capture: Capture) -> None:
        """A client that went away has its own outcome, which is no failure, and is counted apart."""
        with cap.api.request(method="POST") as request:
            request.routed("/api/v1/query")
            request.responded(500)
            request.disconnected()

        how = {"http__response__status_code": 500, "capibara6__outcome": "disconnected"}
        assert metrics(capture)["capibara6.api.requests"] == [point(1, **_POST, **how)]
        assert metrics(capture)["capibara6.api.disconnects"] == [point(1, **_POST)]
        assert only_span(capture)[2] == "UNSET"

    def test_an_exception(self, cap: Capibara, capture: Capture) -> None:
        """An exception that leaves the app is the request's failure; `exception` counts it by route and class."""

        async def serve() -> None:
            async with cap.api.request(method="POST") as request:
                request.routed("/api/v1/query")
                cap.api.exception(ValueError("x"), route="/api/v1/query")
                cap.api.exception(ValueError("y"))
                raise ValueError("x")

        with pytest.raises(ValueError, match="x"):
            asyncio.run(serve())

        assert metrics(capture)["capibara6.api.requests"] == [
            point(1, **_POST, capibara6__outcome="error", error__type="ValueError")
        ]
        assert metrics(capture)["capibara6.api.exceptions"] == [
            point(1, exception__type="ValueError", http__route="/api/v1/query"),
            point(1, exception__type="ValueError"),
        ]


class TestOfTheMiddleware:
    """What the middleware tells, of which it counted most by itself."""

    def test_all_at_once(self, cap: Capibara, capture: Capture) -> None:
        """An operation opened with judged attributes and told all at its end says what one that was told bit by bit says."""
        with cap.api.arrived("POST", {"url.path": "/q"}) as request:
            capture.clock.advance(0.25)
            request.began_to_respond()
            capture.clock.advance(0.25)
            request.served("/api/v1/query", 200, 12, 3400, 2)
        name, kind, status, attributes = only_span(capture)
        measured = metrics(capture)
        assert measured["capibara6.api.response.first_byte.duration"] == [point((1, 0.25), **_POST)]

        with Capture(cap) as other:
            with cap.api.request(method="POST", path="/q") as request:
                other.clock.advance(0.5)
                request.routed("/api/v1/query")
                request.responded(200, first_byte_s=0.25)
                request.sizes(request=12, response=3400, chunks=2)

            assert only_span(other) == (name, kind, status, attributes)
            assert metrics(other) == measured

    @pytest.mark.parametrize("route", [None, "", "/größe/{x}"])
    def test_routes(self, cap: Capibara, capture: Capture, route: str | None) -> None:
        """No route is none on the span; one of any language is."""
        with cap.api.arrived("GET", {}) as request:
            request.served(route, 200, None, None, None)

        assert only_span(capture)[0] == (f"GET {route}" if route else "GET")
        assert capture.attributes(only_span(capture)[0]).get("http.route") == (route or None)

    @pytest.mark.parametrize("status", [99, 600, "200", True])
    def test_what_is_no_status(self, cap: Capibara, status: Any) -> None:
        """A status that is none is said, as everywhere; in a test run it raises."""
        with pytest.raises(UsageError, match="status_code"), cap.api.arrived("GET", {}) as request:
            request.served("/x", status, None, None, None)

    def test_a_connection(self, cap: Capibara, capture: Capture) -> None:
        """A connection opened with judged attributes has them."""
        with cap.api.connected({"url.path": "/ws"}):
            pass

        assert capture.attributes("WS")["url.path"] == "/ws"
        assert capture.attributes("WS")["network.protocol.name"] == "websocket"


class TestRecordRequest:
    """`cap.api.record_request(…)` for requests that something else served."""

    def test_metrics_only(self, cap: Capibara, capture: Capture) -> None:
        """A request that was measured elsewhere moves the metrics and makes no span."""
        cap.api.record_request("POST", "/api/v1/query", 200, 0.5, request_size=10, response_size=20)

        assert not capture.spans
        assert metrics(capture) == {
            "capibara6.api.requests": [point(1, **_POST, **_OK)],
            "capibara6.api.request.duration": [point((1, 0.5), **_POST, **_OK)],
            "capibara6.api.requests.active": [point(0, http__request__method="POST")],
            "capibara6.api.request.body.size": [point((1, 10.0), **_POST)],
            "capibara6.api.response.body.size": [point((1, 20.0), **_POST)],
        }

    def test_a_server_error(self, cap: Capibara, capture: Capture) -> None:
        """A status from 500 on is a failure here too."""
        cap.api.record_request("POST", "/api/v1/query", 502, 0.5)

        assert metrics(capture)["capibara6.api.requests"] == [
            point(1, **_POST, http__response__status_code=502, capibara6__outcome="error", error__type="502")
        ]

    def test_each_request_counts_once(self, cap: Capibara, capture: Capture) -> None:
        """Inside of a request or connection that is observed already it does nothing, elsewhere it counts."""
        with cap.api.request(method="POST") as request:
            request.routed("/api/v1/query")
            cap.api.record_request("POST", "/api/v1/query", 200, 0.5)
            request.responded(200)
        with cap.api.websocket():
            cap.api.record_request("POST", "/api/v1/query", 200, 0.5)
        with cap.rag.search(index="docs"):
            cap.api.record_request("GET", "/health", 200, 0.5)

        assert metrics(capture)["capibara6.api.requests"] == [
            point(1, http__request__method="GET", http__route="/health", **_OK),
            point(1, **_POST, **_OK),
        ]


class TestWebSocket:
    """`cap.api.websocket(…)`."""

    def test_its_life(self, cap: Capibara, capture: Capture) -> None:
        """A connection is a server span, active while it lasts, with its messages counted by direction."""
        with cap.api.websocket(path="/ws/7", attributes={"url.scheme": "ws"}) as socket:
            socket.routed("/ws/{room}")
            assert capture.value("capibara6.api.websocket.connections.active") == 1
            socket.message("receive")
            socket.message("send")
            socket.message("send")
            capture.clock.advance(60)

        route = {"http__route": "/ws/{room}"}
        assert only_span(capture) == (
            "WS /ws/{room}",
            "SERVER",
            "UNSET",
            typed(
                {
                    "http.route": "/ws/{room}",
                    "url.path": "/ws/7",
                    "url.scheme": "ws",
                    "network.protocol.name": "websocket",
                    "capibara6.outcome": "success",
                }
            ),
        )
        assert metrics(capture) == {
            "capibara6.api.websocket.connections.active": [point(0)],
            "capibara6.api.websocket.duration": [point((1, 60.0), **route, capibara6__outcome="success")],
            "capibara6.api.websocket.messages": [
                point(1, **route, capibara6__api__direction="receive"),
                point(2, **route, capibara6__api__direction="send"),
            ],
        }

    def test_a_client_that_leaves(self, cap: Capibara, capture: Capture) -> None:
        """A connection that broke off has its own outcome."""
        with cap.api.websocket() as socket:
            socket.disconnected()

        assert only_span(capture)[0] == "WS"
        assert metrics(capture)["capibara6.api.websocket.duration"] == [
            point((1, 0.0), capibara6__outcome="disconnected")
        ]


def test_background_work(cap: Capibara, capture: Capture) -> None:
    """Work after the response has a span and a duration of its own, by route, and its failures."""
    with cap.api.background(route="/api/v1/query"):
        capture.clock.advance(2)
    with pytest.raises(OSError, match="mail"), cap.api.background(route="/api/v1/query"):
        raise OSError("mail")

    first, second = capture.spans
    assert (first.name, first.kind.name) == ("background /api/v1/query", "INTERNAL")
    assert typed(first.attributes) == typed({"http.route": "/api/v1/query", "capibara6.outcome": "success"})
    assert second.status.status_code.name == "ERROR"
    route = {"http__route": "/api/v1/query"}
    assert metrics(capture) == {
        "capibara6.api.background.duration": [
            point((1, 0.0), **route, capibara6__outcome="error", error__type="OSError"),
            point((1, 2.0), **route, capibara6__outcome="success"),
        ]
    }
