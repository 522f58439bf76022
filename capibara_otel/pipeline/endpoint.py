"""The metrics page on a port of its own."""

from __future__ import annotations

import contextlib
import logging
import socket
import sys
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Final
from urllib.parse import urlsplit

from capibara_otel._safety import Once
from capibara_otel.pipeline.plan import MetricsPage, Page
from capibara_otel.pipeline.token import admits

logger: Final = logging.getLogger(__name__)

_said: Final = Once()
_POLL_S: Final = 0.1  # how long closing may take
_MOST_READERS: Final = 32
_TOO_MANY: Final = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class MetricsEndpoint:
    """Serves the page in daemon threads. A port that cannot be had is said once; the app goes on.

    Args:
        exposition: writes the page.
        host: address to listen on.
        port: 0 picks a free one.
        path: of the page.
        token: what `Authorization: Bearer` must carry; None lets everyone read.
        is_open: whether it listens at once; else `open` begins.
        patience_s: seconds a reader may take for its request, and again to take the page.
    """

    def __init__(
        self,
        exposition: MetricsPage,
        *,
        host: str,
        port: int,
        path: str,
        token: str | None = None,
        is_open: bool = True,
        patience_s: float = 10.0,
    ) -> None:
        self.exposition: Final = exposition
        self.path: Final = path
        self._host: Final = host
        self._port: Final = port
        self._token: Final = token
        self.patience_s: Final = patience_s
        self._server: _Server | None = None
        self._is_open = is_open
        if is_open:
            self._begin()

    @property
    def port(self) -> int | None:
        """The port it listens on; None when it does not."""
        return None if self._server is None else self._server.server_address[1]

    def admits(self, authorization: str | None) -> bool:
        """Tell whether a request with this `Authorization` header may read the page."""
        return admits(self._token, authorization)

    def open(self) -> None:
        """Begin to listen, if it does not yet."""
        if not self._is_open:
            self._is_open = True
            self._begin()

    def close(self) -> None:
        """Stop listening."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    def after_fork(self) -> None:
        """Leave the parent's port to the parent in a forked child; a picked port is picked anew."""
        server, self._server = self._server, None
        if server is not None:
            server.socket.close()
            if self._port == 0:
                self._begin()

    def _begin(self) -> None:
        try:
            self._server = _Server(self, self._host, self._port)
        except OSError as fault:
            logger.warning(
                "no metrics page on %s:%d (%s); the app goes on without it. Set CAPIBARA_METRICS_PORT to a free port",
                self._host,
                self._port,
                fault.strerror or fault,
            )
            return
        threading.Thread(
            target=self._server.serve_forever,
            args=(_POLL_S,),
            name="capibara-otel-page",
            daemon=True,
        ).start()


class _Server(ThreadingHTTPServer):
    request_queue_size = 64
    server_address: tuple[str, int]

    def __init__(self, endpoint: MetricsEndpoint, host: str, port: int) -> None:
        self.endpoint: Final = endpoint
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._places: Final = threading.BoundedSemaphore(_MOST_READERS)
        self._asking: Final[dict[socket.socket, float]] = {}
        self._lock: Final = threading.Lock()
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Bind without asking the name service for the host's name, which may take seconds."""
        TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a reader in a thread of its own, if there are not too many."""
        if self._places.acquire(blocking=False):
            try:
                super().process_request(request, client_address)
            except BaseException:  # no more threads
                self._places.release()
                raise
        else:
            with contextlib.suppress(OSError):
                request.send(_TOO_MANY)
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a reader, then give its place to another."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def await_request(self, connection: socket.socket) -> None:
        """Note that a reader is to make a request."""
        with self._lock:
            self._asking[connection] = time.monotonic() + self.endpoint.patience_s

    def has_request(self, connection: socket.socket) -> None:
        """Note that it has, or has gone."""
        with self._lock:
            self._asking.pop(connection, None)

    def service_actions(self) -> None:
        """Turn out who does not come to the point."""
        now = time.monotonic()
        with self._lock:
            late = [connection for connection, deadline in self._asking.items() if deadline < now]
        for connection in late:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Keep readers that go away from the app's standard error."""
        logger.debug("a scrape was broken off: %r", sys.exception())


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "capibara-otel"
    sys_version = ""

    def setup(self) -> None:
        """Begin to serve a connection."""
        super().setup()
        self.connection.settimeout(self.server.endpoint.patience_s)

    def handle_one_request(self) -> None:
        """Serve one request of a connection."""
        self.server.await_request(self.connection)
        try:
            super().handle_one_request()
        finally:
            self.server.has_request(self.connection)

    def do_GET(self) -> None:
        """Answer with the page."""
        self._answer()

    def do_HEAD(self) -> None:
        """Answer as GET does, without the body."""
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Keep scrapes out of the app's log."""
        logger.debug(format, *args)

    def _answer(self) -> None:
        self.server.has_request(self.connection)
        endpoint = self.server.endpoint
        if urlsplit(self.path).path != endpoint.path:
            self._send(HTTPStatus.NOT_FOUND, b"not found\n", {})
        elif not endpoint.admits(self.headers.get("Authorization")):
            self._send(HTTPStatus.UNAUTHORIZED, b"unauthorized\n", {"WWW-Authenticate": 'Bearer realm="metrics"'})
        else:
            page = self._page()
            if page is None:
                self._send(HTTPStatus.INTERNAL_SERVER_ERROR, b"the page could not be written\n", {})
                return
            headers = {"Content-Type": page.content_type, "Vary": "Accept, Accept-Encoding"}
            if page.content_encoding is not None:
                headers["Content-Encoding"] = page.content_encoding
            self._send(HTTPStatus.OK, page.body, headers)

    def _page(self) -> Page | None:
        try:
            return self.server.endpoint.exposition.render(
                self.headers.get("Accept"), self.headers.get("Accept-Encoding")
            )
        except Exception as fault:
            if _said.first(type(fault)):
                logger.exception("the metrics page could not be written")
            return None

    def _send(self, status: HTTPStatus, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "text/plain; charset=utf-8", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
