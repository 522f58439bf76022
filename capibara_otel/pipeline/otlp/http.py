"""OTLP over HTTP, on urllib3: one connection that is kept, one deadline for all of a request, no redirects.

Imported only where there is an endpoint, and in the thread that sets things up: an import in a thread that sends may
meet a fork, which leaves the child with a lock that nobody holds any more.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401 - what the first connection would import
import http.client
import io
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from importlib.util import find_spec
from typing import Any, Final, cast
from urllib.parse import unquote

import urllib3
from urllib3 import exceptions as faults
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import Timeout, make_headers, parse_url

from capibara_otel.exceptions import ConfigurationError
from capibara_otel.pipeline.otlp.answer import LONGEST, read_answer, read_refusal
from capibara_otel.pipeline.otlp.options import Options
from capibara_otel.pipeline.otlp.reply import Reply

RETRYABLE: Final = frozenset({429, 502, 503, 504})

_ADVICE: Final[Mapping[int, str]] = {
    400: "it cannot read what it gets: see whether it speaks OTLP there",
    401: "set OTEL_EXPORTER_OTLP_HEADERS to what it wants to know who sends",
    403: "set OTEL_EXPORTER_OTLP_HEADERS to what it wants to know who sends",
    404: "mend the path in OTEL_EXPORTER_OTLP_ENDPOINT; a signal's own endpoint is used as it is, without /v1/…",
    405: "mend the path in OTEL_EXPORTER_OTLP_ENDPOINT, or set OTEL_EXPORTER_OTLP_PROTOCOL",
    413: "lower OTEL_BSP_MAX_EXPORT_BATCH_SIZE and OTEL_BLRP_MAX_EXPORT_BATCH_SIZE, or have it take larger requests",
    415: "set OTEL_EXPORTER_OTLP_PROTOCOL to what it speaks",
}
_REDIRECTED: Final = "redirects are not followed: set OTEL_EXPORTER_OTLP_ENDPOINT to where it really is"
_CERTIFICATE: Final = "set OTEL_EXPORTER_OTLP_CERTIFICATE to the certificate of the authority that it is signed by"
_CLOSED: Final = Reply(taken=False, fault="it was given up", is_retryable=True)


def check(options: Options) -> None:
    """Look at what the environment's check does not know.

    Raises:
        ConfigurationError: the proxy is of a kind that is not supported.
    """
    scheme = "http" if options.proxy is None else parse_url(options.proxy).scheme
    if scheme not in {"http", "https"}:
        raise ConfigurationError(
            [f"the proxy's {scheme}:// is not supported for telemetry; list the receiver in NO_PROXY"]
        )


class HttpTransport:
    """Posts requests to one URL.

    Args:
        options: where and how.
        user_agent: how we call ourselves.
        clock: monotonic seconds.
        now: seconds since 1970, for a `Retry-After` that is a date.

    Raises:
        OSError: a certificate cannot be read.
    """

    def __init__(
        self,
        options: Options,
        user_agent: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        url = parse_url(options.endpoint)
        self._clock: Final = clock
        self._now: Final = now
        self._way: Final = _Way(clock)
        self._compression: Final = options.compression
        self._headers: Final = {
            "content-type": "application/x-protobuf",
            "user-agent": user_agent,
            **(make_headers(basic_auth=unquote(url.auth)) if url.auth else {}),
            # As UTF-8, of which the library knows nothing: it writes one byte for each of these characters.
            **{name: value.encode().decode("latin-1") for name, value in options.headers.items()},
        }
        if self._compression != "none":
            self._headers["content-encoding"] = self._compression
        self._pool, self._target = self._connect(options, url)

    def _connect(self, options: Options, url: urllib3.util.Url) -> tuple[HTTPConnectionPool, str]:
        """Make the pool, which connects when it sends, and what stands in the request's first line."""
        is_tls = url.scheme == "https"
        more: dict[str, Any] = {"ssl_context": _context(options)} if is_tls else {}
        pool: HTTPConnectionPool
        if options.proxy is None:
            kind = HTTPSConnectionPool if is_tls else HTTPConnectionPool
            pool = kind(url.host or "localhost", url.port, **more)
        else:
            proxy = parse_url(options.proxy)
            secret = make_headers(proxy_basic_auth=unquote(proxy.auth)) if proxy.auth else None
            manager = urllib3.ProxyManager(options.proxy, proxy_headers=secret, **more)
            pool = manager.connection_from_host(url.host, url.port, url.scheme)
            if secret and not is_tls:
                self._headers.update(secret)
        is_tls_there = isinstance(pool, HTTPSConnectionPool)
        pool.ConnectionCls = self._way.tls_connection if is_tls_there else self._way.plain_connection
        is_forwarded = options.proxy is not None and not is_tls
        return pool, url._replace(auth=None, fragment=None).url if is_forwarded else url.request_uri

    def send(self, body: bytes, timeout_s: float) -> Reply:
        """Post a request once; a connection that the receiver has closed meanwhile is made anew."""
        self._way.begin(timeout_s)
        try:
            body = _compressed(body, self._compression)
            try:
                return self._post(body)
            except (faults.ProtocolError, OSError):
                if self._way.has_connected or self._way.is_closed:
                    raise
                return self._post(body)
        except (faults.HTTPError, OSError, http.client.HTTPException) as fault:
            return _CLOSED if self._way.is_closed else _reply_of(fault)

    def close(self) -> None:
        """Break off what is under way, and refuse more."""
        self._way.close()
        self._pool.close()

    def _post(self, body: bytes) -> Reply:
        if self._way.is_closed:
            return _CLOSED
        response = self._pool.urlopen(
            "POST",
            self._target,
            body,
            self._headers,
            retries=False,
            redirect=False,
            assert_same_host=False,
            timeout=Timeout(total=self._way.remaining()),
            preload_content=False,
            decode_content=False,
        )
        try:
            said = response.read(LONGEST)
            if response.read(1):
                said = b""  # too long to be read, so the connection is of no more use either
                response.close()
        finally:
            response.release_conn()
        return self._reply(response.status, response.headers, said)

    def _reply(self, status: int, headers: Mapping[str, str], said: bytes) -> Reply:
        is_protobuf = headers.get("content-type", "").startswith("application/x-protobuf")
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return Reply(taken=True, answer=read_answer(said if is_protobuf else b""))
        refusal = read_refusal(said if is_protobuf else b"")
        is_retryable = status in RETRYABLE
        wait_s = _retry_after(headers.get("retry-after", ""), self._now()) if is_retryable else None
        is_redirect = HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST
        return Reply(
            taken=False,
            fault=f"HTTP {status}",
            message=refusal.message,
            advice=_REDIRECTED if is_redirect else _ADVICE.get(status, ""),
            is_retryable=is_retryable,
            wait_s=refusal.wait_s if wait_s is None and is_retryable else wait_s,
        )


def _compressed(body: bytes, compression: str) -> bytes:
    # Level 1 takes a fifth of the time of level 9 and leaves little more.
    if compression == "gzip":
        return zlib.compress(body, 1, wbits=31)
    return zlib.compress(body, 1) if compression == "deflate" else body


def _context(options: Options) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=options.certificate)
    if options.certificate is None and find_spec("certifi") is not None:
        import certifi  # noqa: PLC0415 - only where there is one

        context.load_verify_locations(certifi.where())
    if options.client_certificate is not None:
        context.load_cert_chain(options.client_certificate, options.client_key)
    return context


def _retry_after(value: str, now: float) -> float | None:
    """Read `Retry-After` (RFC 9110): seconds, or a date."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(at.replace(tzinfo=at.tzinfo or UTC).timestamp() - now, 0.0)


def _reply_of(fault: Exception) -> Reply:
    """Return a fault of the way in words that are the same each time."""
    is_proxys = isinstance(fault, faults.ProxyError)
    reason: object = fault.original_error if isinstance(fault, faults.ProxyError) else fault
    if isinstance(reason, faults.ProtocolError):
        reason = reason.args[-1]
    advice = ""
    match reason:
        case faults.NameResolutionError():
            words = "its name is not known"
        case faults.NewConnectionError():
            cause = reason.__cause__
            words = (cause.strerror or "no connection").lower() if isinstance(cause, OSError) else "no connection"
        case faults.TimeoutError() | TimeoutError():
            words = "no answer in time"
        case faults.SSLError() | ssl.SSLError():
            words, advice = "no trust in its certificate, or no TLS", _CERTIFICATE
        case OSError(strerror=str(words)):
            words = words.lower()
        case _:
            words = "the connection broke off"
    if is_proxys:
        words = f"the proxy: {words}"
    return Reply(taken=False, fault=words, advice=advice, is_retryable=True)


class _Way:
    """What a request under way can be broken off by: its socket, and the time that is left.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.is_closed = False
        self.has_connected = False
        self._clock: Final = clock
        self._until = 0.0
        self._socket: socket.socket | None = None
        self.plain_connection: Final = type("_Plain", (_Watched, HTTPConnection), {"way": self})
        self.tls_connection: Final = type("_Tls", (_Watched, HTTPSConnection), {"way": self})

    def begin(self, seconds: float) -> None:
        """A request begins, and has so many seconds."""
        self._until = self._clock() + seconds
        self.has_connected = False

    def remaining(self) -> float:
        """Return the seconds that are left, never none, which would mean without end."""
        return max(self._until - self._clock(), 0.001)

    def use(self, connected: socket.socket) -> None:
        """A socket is used from now on."""
        self.has_connected = True
        self._socket = connected
        if self.is_closed:
            self.close()

    def close(self) -> None:
        """Have whoever reads or writes go on at once."""
        self.is_closed = True
        if self._socket is not None:
            try:
                # As a plain socket: one of TLS would take away what the other thread is reading with.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
            except OSError:
                return  # it is closed already


class _Watched:
    """A connection whose socket is known to others, and whose answers have a deadline, however slowly they drip."""

    way: _Way
    _own: Any = None

    @property
    def sock(self) -> Any:
        return self._own

    @sock.setter
    def sock(self, connected: Any) -> None:
        self._own = connected
        if connected is not None:
            self.way.use(connected)

    def response_class(self, connected: socket.socket, **options: Any) -> http.client.HTTPResponse:
        return http.client.HTTPResponse(cast("socket.socket", _Dripping(connected, self.way)), **options)


class _Dripping:
    """Stands for a socket where an answer is read: every piece of it has only what is left of the time."""

    def __init__(self, connected: socket.socket, way: _Way) -> None:
        self._connected: Final = connected
        self._way: Final = way

    def makefile(self, _: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._connected, self._way))


class _Reader(io.RawIOBase):
    def __init__(self, connected: socket.socket, way: _Way) -> None:
        self._connected: Final = connected
        self._raw: Final = connected.makefile("rb", buffering=0)
        self._way: Final = way

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._connected.settimeout(self._way.remaining())
        return cast("Any", self._raw).readinto(buffer)  # type: ignore[no-any-return]

    def close(self) -> None:
        self._raw.close()
        super().close()
