"""The metrics page on a port of its own."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import logging
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from capibara_otel.pipeline.endpoint import MetricsEndpoint
from capibara_otel.pipeline.metrics.data import Collection
from capibara_otel.pipeline.page.exposition import Exposition
from tests.unit.pipeline.page.made import collection, counter, number


class Metrics:
    """What is measured; each collection can be made to do something else."""

    def __init__(self) -> None:
        self.collection = collection(counter("work", number(7)))
        self.before: Callable[[], object] = lambda: None

    def collect(self) -> Collection:
        """Return it."""
        self.before()
        return self.collection


@pytest.fixture
def metrics() -> Metrics:
    """One counter."""
    return Metrics()


Serve = Callable[..., MetricsEndpoint]


@pytest.fixture
def serve(metrics: Metrics) -> Iterator[Serve]:
    """Serve the page for the time of the test."""
    made: list[MetricsEndpoint] = []

    def begin(host: str = "127.0.0.1", port: int = 0, **options: Any) -> MetricsEndpoint:
        exposition = Exposition(metrics.collect)
        made.append(MetricsEndpoint(exposition, host=host, port=port, path="/metrics", **options))
        return made[-1]

    yield begin
    for each in made:
        each.close()


def ask(
    endpoint: MetricsEndpoint, path: str = "/metrics", method: str = "GET", host: str = "127.0.0.1", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Ask; answer with status, headers and body."""
    connection = http.client.HTTPConnection(host, endpoint.port, timeout=10)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, dict(response.headers), response.read()
    finally:
        connection.close()


def test_the_page_is_served_at_its_path(serve: Serve) -> None:
    """A picked port is readable, and the page is what the exposition writes."""
    status, headers, body = ask(serve(), "/metrics?name=x")
    assert status == 200
    assert b"work_total 7.0" in body
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert headers["Vary"] == "Accept, Accept-Encoding"


def test_the_readers_wishes_are_passed_on(serve: Serve) -> None:
    """Format and compression are negotiated as the exposition does."""
    status, headers, body = ask(serve(), Accept="application/openmetrics-text;version=1.0.0", Accept_Encoding="gzip")
    assert status == 200
    assert headers["Content-Type"].startswith("application/openmetrics-text")
    assert headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(body).endswith(b"# EOF\n")


def test_head_answers_without_a_body(serve: Serve) -> None:
    """HEAD says how long the page is and sends none of it."""
    status, headers, body = ask(serve(), method="HEAD")
    assert status == 200
    assert int(headers["Content-Length"]) > 0
    assert body == b""
    with socket.create_connection(("127.0.0.1", serve().port or 0)) as reader:
        reader.sendall(b"HEAD /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: reader.recv(65536), b""))
    assert answer.endswith(b"\r\n\r\n")


def test_nothing_else_is_there(serve: Serve) -> None:
    """Other paths are not found, other methods not there."""
    assert ask(serve(), "/")[0] == 404
    assert ask(serve(), "/metrics/")[0] == 404
    assert ask(serve(), method="POST")[0] == 501


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (None, 401),
        ("", 401),
        ("Bearer", 401),
        ("Bearer wrong", 401),
        ("Basic s3cret", 401),
        ("Bearer s3cret ", 200),
        ("bearer s3cret", 200),
        ("Bearer s3cret\u00e9", 401),
    ],
)
def test_a_token_is_demanded_where_one_is_set(serve: Serve, authorization: str | None, status: int) -> None:
    """Only the token opens the page; others are told how to show one."""
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = ask(serve(token="s3cret"), **headers)
    assert answer[0] == status
    assert (answer[1].get("WWW-Authenticate") == 'Bearer realm="metrics"') == (status == 401)
    assert (b"work_total" in answer[2]) == (status == 200)


def test_the_token_does_not_tell_which_paths_exist(serve: Serve) -> None:
    """Without the token a path that is not there is still not found."""
    assert ask(serve(token="s3cret"), "/other")[0] == 404


def test_a_port_that_is_taken_is_said_and_the_app_goes_on(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """One line says which port, why, and what to do; there is no page and no error."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        endpoint = serve(port=port)
    assert endpoint.port is None
    (said,) = caplog.records
    assert said.levelname == "WARNING"
    assert said.getMessage() == (
        f"no metrics page on 127.0.0.1:{port} (Address already in use); the app goes on without it. "
        "Set CAPIBARA_METRICS_PORT to a free port"
    )
    endpoint.after_fork()
    assert endpoint.port is None


def test_an_address_that_is_not_here_is_said_too(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """A host name that means nothing ends no app."""
    assert serve(host="203.0.113.1").port is None
    assert "no metrics page on 203.0.113.1:0" in caplog.text


def test_it_listens_on_the_sixth_version_too(serve: Serve) -> None:
    """An IPv6 address is one to listen on, where the machine has them."""
    if not socket.has_ipv6:  # pragma: no cover
        pytest.skip("this machine has no IPv6")
    endpoint = serve(host="::1")
    if endpoint.port is None:  # pragma: no cover
        pytest.skip("this machine has no IPv6 loopback")
    assert ask(endpoint, host="::1")[0] == 200


def test_it_may_begin_later(serve: Serve) -> None:
    """Told to wait it has no port until it is opened; opened twice it listens once."""
    endpoint = serve(is_open=False)
    assert endpoint.port is None
    endpoint.open()
    port = endpoint.port
    endpoint.open()
    assert endpoint.port == port
    assert ask(endpoint)[0] == 200


def test_closed_it_listens_no_more(serve: Serve) -> None:
    """After closing the port is free again; closing twice is closing once."""
    endpoint = serve()
    port = endpoint.port
    endpoint.close()
    endpoint.close()
    assert endpoint.port is None
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port or 0)) != 0


def test_a_page_that_cannot_be_written_is_an_error_for_the_reader_alone(
    serve: Serve, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    """Metrics that break the page answer 500 and are logged once; the server goes on."""

    def broken() -> None:
        raise ValueError("broken")

    metrics.before = broken
    endpoint = serve()
    assert [ask(endpoint)[0] for _ in range(3)] == [500, 500, 500]
    assert [record.getMessage() for record in caplog.records] == ["the metrics page could not be written"]
    metrics.before = lambda: None
    assert ask(endpoint)[0] == 200


def test_a_reader_that_goes_away_is_no_news(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    """A connection that is reset in the midst of the answer leaves nothing on standard error."""
    endpoint = serve()
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", endpoint.port or 0)) as reader:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            reader.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
    assert ask(endpoint)[0] == 200
    assert capfd.readouterr().err == ""


def test_scrapes_are_not_in_the_apps_log(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """A scrape every few seconds is no news."""
    with caplog.at_level(logging.INFO):
        assert ask(serve())[0] == 200
    assert caplog.records == []


def big(metrics: Metrics) -> None:
    """Have a page that no socket takes at once."""
    metrics.collection = collection(
        counter("work", *(number(1, {"kind": "x" * 1000 + str(kind)}) for kind in range(20_000)))
    )


def test_a_big_page_arrives_whole(serve: Serve, metrics: Metrics) -> None:
    """A page of many megabytes is as long as it says."""
    big(metrics)
    _, headers, body = ask(serve())
    assert int(headers["Content-Length"]) == len(body) > 20_000_000
    assert body.count(b"work_total{") == 20_000


def test_a_reader_that_does_not_read_is_let_go(serve: Serve, metrics: Metrics) -> None:
    """Who asks for a big page and takes nothing of it is cut off, and holds up nobody meanwhile."""
    big(metrics)
    endpoint = serve(patience_s=0.2)
    with socket.create_connection(("127.0.0.1", endpoint.port or 0)) as slow:
        slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert ask(endpoint, "/other")[0] == 404
        slow.settimeout(60)
        until(lambda: not readers())
        received = sum(map(len, iter(lambda: _receive(slow), b"")))
    assert received < 20_000_000


def _receive(connected: socket.socket) -> bytes:
    with contextlib.suppress(ConnectionResetError):
        return connected.recv(1_000_000)
    return b""


def readers() -> list[threading.Thread]:
    """Return the threads that serve readers."""
    return [each for each in threading.enumerate() if "process_request_thread" in each.name]


def until(condition: Callable[[], object]) -> None:
    """Wait for something that happens in another thread."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


@pytest.mark.parametrize("sent", [b"", b"GET /metr", b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-"])
def test_a_reader_that_does_not_come_to_the_point_is_let_go(serve: Serve, sent: bytes) -> None:
    """Who sends nothing, or half a request, byte by byte, is cut off after the time a request may take."""
    endpoint = serve(patience_s=0.3)
    with socket.create_connection(("127.0.0.1", endpoint.port or 0), timeout=30) as slow:
        slow.sendall(sent)
        with contextlib.suppress(OSError):
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                if sent:
                    slow.sendall(b"a")
                slow.settimeout(0.05)
                with contextlib.suppress(TimeoutError):
                    assert slow.recv(100) == b"", "it is no request"
                    break
    until(lambda: not readers())
    assert ask(endpoint)[0] == 200


def test_a_connection_serves_many_requests(serve: Serve) -> None:
    """A reader keeps its connection for as long as it makes requests in time."""
    endpoint = serve(patience_s=5)
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=10)
    for _ in range(5):
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        assert (response.status, b"work_total 7.0" in response.read()) == (200, True)
    connection.close()


def test_so_many_readers_and_no_more(serve: Serve, metrics: Metrics) -> None:
    """Readers beyond what is served at a time are refused at once; when others have gone there is room again."""
    endpoint = serve()
    free = threading.Event()
    metrics.before = lambda: free.wait(30)
    held = [socket.create_connection(("127.0.0.1", endpoint.port or 0), timeout=30) for _ in range(32)]
    for each in held:
        each.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    until(lambda: len(readers()) == 32)
    with contextlib.suppress(ConnectionError):  # it may be closed before the request has arrived
        status, headers, _ = ask(endpoint)
        assert (status, headers["Connection"]) == (503, "close")
    free.set()
    answers = []
    for each in held:
        answers.append(b"".join(iter(lambda each=each: each.recv(65536), b"")))  # type: ignore[misc]
        each.close()
    assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in answers)
    until(lambda: not readers())
    assert ask(endpoint)[0] == 200
