"""OTLP over HTTP, to real receivers."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from capibara_otel.pipeline.health import Signal
from capibara_otel.pipeline.metrics.data import Collection, Metric, NumberPoint, ScopeMetrics, Series
from capibara_otel.pipeline.otlp.http import HttpTransport
from capibara_otel.pipeline.otlp.options import Options
from capibara_otel.pipeline.otlp.reply import Reply
from tests.support.certificates import make
from tests.support.otlp_pairs import a_span
from tests.support.otlp_send import RESOURCE, SCOPE, outlet, records, request
from tests.support.receiver import Receiver, Said, Tls

NOW = 1_700_000_000.0


def transport(environ: Mapping[str, str]) -> HttpTransport:
    """Return a transport for log records."""
    return HttpTransport(Options.read("logs", "http/protobuf", environ), "tests/1", now=lambda: NOW)


def send(environ: Mapping[str, str], timeout_s: float = 10) -> Reply:
    """Send one record once."""
    made = transport(environ)
    try:
        return made.send(request("work"), timeout_s)
    finally:
        made.close()


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def test_requests_arrive_over_one_connection() -> None:
    """What is sent arrives as protobuf with our name and the environment's headers, decoded; the connection is kept."""
    with Receiver() as receiver:
        environ = {
            **receiver.environment,
            "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=a%20b,x-other=1",
            "OTEL_EXPORTER_OTLP_LOGS_HEADERS": "X-Tenant=a%20b,x-name=Jos%C3%A9",
        }
        with outlet(environ) as made:
            assert all(made.send(records(body)).delivered for body in ("1", "2", "3"))
    assert receiver.logs == ["1", "2", "3"]
    assert receiver.connections == 1
    assert receiver.resources("logs") == [{"service.name": "tests"}] * 3
    headers = receiver.headers[0]
    assert headers["content-type"] == "application/x-protobuf"
    assert headers["user-agent"].startswith("capibara-otel/")
    assert headers["x-tenant"] == "a b"
    assert headers["x-name"].encode("latin-1").decode() == "José"
    assert "x-other" not in headers


@pytest.mark.parametrize("compression", ["none", "gzip", "deflate"])
def test_requests_are_compressed_as_the_environment_says(compression: str) -> None:
    """A receiver reads what was compressed; without the variable nothing is."""
    with Receiver() as receiver:
        said = {} if compression == "none" else {"OTEL_EXPORTER_OTLP_LOGS_COMPRESSION": compression}
        assert send({**receiver.environment, **said}).taken
    assert receiver.logs == ["work"]
    assert receiver.headers[0].get("content-encoding", "none") == compression


@pytest.mark.parametrize(
    ("variable", "path", "posted"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "", "/v1/logs"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "/", "/v1/logs"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "/base/", "/base/v1/logs"),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "/own/logs", "/own/logs"),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "/logs?key=1", "/logs?key=1"),
    ],
)
def test_an_endpoint_is_a_base_or_a_signals_own(variable: str, path: str, posted: str) -> None:
    """The common endpoint is a base for each signal's path, a signal's own is used as it is."""
    with Receiver() as receiver:
        assert send({variable: f"{receiver.endpoint}{path}"}).taken
    assert receiver.paths == [posted]


def test_credentials_in_the_endpoint_are_sent_as_such() -> None:
    """User and password become basic authentication, decoded, and are no part of the request's line."""
    with Receiver() as receiver:
        address = receiver.endpoint.removeprefix("http://")
        assert send({"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://me:p%40ss@{address}"}).taken
    assert receiver.headers[0]["authorization"] == "Basic " + base64.b64encode(b"me:p@ss").decode()
    assert receiver.headers[0]["host"] == address


@pytest.mark.parametrize(
    ("status", "is_retryable"),
    [
        *((status, False) for status in (301, 400, 401, 404, 413, 500)),
        *((status, True) for status in (429, 502, 503, 504)),
    ],
)
def test_only_what_the_protocol_names_is_worth_another_try(status: int, is_retryable: bool) -> None:
    """429, 502, 503 and 504 may pass; every other refusal stays."""
    with Receiver(answers=[Said(status, body=b"")]) as receiver:
        reply = send(receiver.environment)
    assert (reply.taken, reply.fault, reply.is_retryable) == (False, f"HTTP {status}", is_retryable)


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "Tue, 14 Nov 2023 22:13:30 GMT"}, 10),
        ({"Retry-After": "Tue, 14 Nov 2023 22:13:30 -0000"}, 10),
        ({"Retry-After": "Tue, 14 Nov 2023 22:00:00 GMT"}, 0),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
def test_the_receiver_says_when(headers: dict[str, str], wait_s: float | None) -> None:
    """`Retry-After` is seconds or a date; what is neither says nothing."""
    with Receiver(answers=[Said(429, headers=headers, body=b"")]) as receiver:
        assert send(receiver.environment).wait_s == wait_s


def test_a_redirect_is_not_followed() -> None:
    """Telemetry goes to nobody but the endpoint; what to do about it is said."""
    with Receiver() as other, Receiver(answers=[Said(307, {"Location": f"{other.endpoint}/v1/logs"}, b"")]) as receiver:
        reply = send(receiver.environment)
    assert "redirects are not followed" in reply.advice
    assert other.attempts == 0


def test_a_refused_connection_is_told_from_one_that_is_silent() -> None:
    """Both may pass, and are named."""
    refused = send({"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}"})
    with Receiver(mode="black hole") as receiver:
        silent = send(receiver.environment, 0.1)
    unknown = send({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://no-such-host.invalid:4318"})
    assert [reply.fault for reply in (refused, silent, unknown)] == [
        "connection refused",
        "no answer in time",
        "its name is not known",
    ]
    assert all(reply.is_retryable and not reply.taken for reply in (refused, silent, unknown))


def test_a_receiver_that_hangs_up_is_not_asked_twice() -> None:
    """A new connection that ends without an answer is a failure that may pass; only a kept one is made anew."""
    connections = 0
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            nonlocal connections
            with suppress(OSError):  # the server is closed
                while True:
                    server.accept()[0].close()
                    connections += 1

        thread = threading.Thread(target=hang_up)
        thread.start()
        reply = send({"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.getsockname()[1]}"})
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)
    assert reply.is_retryable
    assert reply.fault in {"the connection broke off", "connection reset by peer"}
    assert connections == 1


def test_every_signal_has_its_path() -> None:
    """Outlets of the three signals write what the own pipeline makes, and post it to the path of the signal."""
    point = NumberPoint(Series({"a": 1}), 1, 2, 3)
    metric = Metric("work", "", "", "sum", "cumulative", monotonic=True, points=[point])
    with Receiver() as receiver:
        batches: dict[Signal, Any] = {
            "traces": [a_span(name="work")],
            "metrics": Collection(RESOURCE, [ScopeMetrics(SCOPE, [metric])]),
            "logs": records("work"),
        }
        for signal, batch in batches.items():
            with outlet(receiver.environment, signal=signal) as made:
                assert made.send(batch).delivered
    assert receiver.paths == ["/v1/traces", "/v1/metrics", "/v1/logs"]
    assert (receiver.spans, receiver.logs) == (["work"], ["work"])
    assert [resource for resource, _ in receiver.metrics("work")] == [{"service.name": "tests"}]


def test_a_proxy_that_is_not_there_is_named_as_such() -> None:
    """Whoever reads it looks at the proxy, not at the receiver."""
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "https://receiver.invalid:4318",
        "HTTPS_PROXY": f"http://127.0.0.1:{free_port()}",
    }
    assert send(environ).fault == "the proxy: connection refused"


def test_an_answer_that_drips_has_the_same_deadline() -> None:
    """Each byte that comes does not begin the time anew; it would be minutes."""
    with Receiver(answers=[Said(body=b"\x0a" * 9000, drip_s=0.02)]) as receiver:
        reply = send(receiver.environment, 0.3)
    assert reply.fault == "no answer in time"


def test_a_long_answer_is_not_read() -> None:
    """Of an answer only so much is read; the next request goes over a connection of its own."""
    with Receiver(answers=[Said(body=b"\x0a" * 1_000_000)]) as receiver:
        made = transport(receiver.environment)
        assert made.send(request("1"), 10).taken
        assert made.send(request("2"), 10).taken
        made.close()
    assert receiver.connections == 2


def test_a_receiver_that_was_restarted_gets_the_next_request() -> None:
    """A kept connection that the receiver has closed meanwhile costs no failure."""
    with Receiver() as first:
        made = transport(first.environment)
        assert made.send(request("1"), 10).taken
    with Receiver(port=first.port) as second:
        assert made.send(request("2"), 10).taken
    assert second.logs == ["2"]
    made.close()


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
def test_closing_breaks_off_what_is_under_way(is_tls: bool, tmp_path: Path) -> None:
    """Whoever closes does not wait for the receiver, and what comes later is refused."""
    tls = make(tmp_path, "receiver") if is_tls else None
    with Receiver(mode="black hole", tls=tls) as receiver:
        trust = {"OTEL_EXPORTER_OTLP_CERTIFICATE": str(tls.certificate)} if tls else {}
        made = transport({**receiver.environment, **trust})
        replies: list[Reply] = []
        thread = threading.Thread(target=lambda: replies.append(made.send(request("1"), 100)))
        thread.start()
        assert receiver.wait_for(lambda each: each.attempts == 1)
        made.close()
        thread.join(20)
        assert [reply.fault for reply in replies] == ["it was given up"]
        assert made.send(request("2"), 100).fault == "it was given up"
        assert receiver.attempts == 1


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    """What a receiver shows."""
    return make(tmp_path, "receiver")


def test_a_certificate_is_checked(tls: Tls) -> None:
    """A receiver is trusted where its authority is named, and by nobody else."""
    with Receiver(tls=tls) as receiver:
        untrusted = send(receiver.environment)
        trusted = send({**receiver.environment, "OTEL_EXPORTER_OTLP_CERTIFICATE": str(tls.certificate)})
        by_bundle = send({**receiver.environment, "REQUESTS_CA_BUNDLE": str(tls.certificate)})
    assert "OTEL_EXPORTER_OTLP_CERTIFICATE" in untrusted.advice
    assert not untrusted.taken
    assert trusted.taken
    assert by_bundle.taken
    assert receiver.logs == ["work", "work"]


def test_a_client_shows_its_certificate(tls: Tls, tmp_path: Path) -> None:
    """A receiver that asks for one gets it, with the key that belongs to it."""
    client = make(tmp_path, "client")
    with Receiver(tls=Tls(tls.certificate, tls.key, client.certificate)) as receiver:
        environ = {**receiver.environment, "OTEL_EXPORTER_OTLP_CERTIFICATE": str(tls.certificate)}
        assert not send(environ).taken
        named = {
            "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": str(client.certificate),
            "OTEL_EXPORTER_OTLP_CLIENT_KEY": str(client.key),
        }
        assert send({**environ, **named}).taken


def test_a_proxy_gets_the_whole_address() -> None:
    """Over HTTP the proxy is asked for the receiver's URL, with its own credentials."""
    with Receiver() as proxy:
        address = proxy.endpoint.removeprefix("http://")
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://receiver.invalid:4318", "HTTP_PROXY": f"me:secret@{address}"}
        assert send(environ).taken
    assert proxy.paths == ["http://receiver.invalid:4318/v1/logs"]
    assert proxy.headers[0]["proxy-authorization"] == "Basic " + base64.b64encode(b"me:secret").decode()


@pytest.fixture
def tunnel() -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that connects its first client through; its URL, and what it was asked."""
    asked: list[bytes] = []
    server = socket.create_server(("127.0.0.1", 0))

    def pipe(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):  # the other end is gone
            while piece := source.recv(65536):
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)

    def serve() -> None:
        with server:
            client, _ = server.accept()
        with client:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(1)
            asked.append(head)
            host, _, port = head.split()[1].decode().rpartition(":")
            with socket.create_connection((host, int(port))) as upstream:
                client.sendall(b"HTTP/1.1 200 connected\r\n\r\n")
                back = threading.Thread(target=pipe, args=(upstream, client))
                back.start()
                pipe(client, upstream)
                back.join()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
    thread.join(10)


def test_a_proxy_connects_tls_through(tunnel: tuple[str, list[bytes]], tls: Tls) -> None:
    """Over HTTPS the proxy sees whom it connects, and nothing of what is said."""
    url, asked = tunnel
    with Receiver(tls=tls) as receiver:
        environ = {
            **receiver.environment,
            "OTEL_EXPORTER_OTLP_CERTIFICATE": str(tls.certificate),
            "OTEL_EXPORTER_OTLP_HEADERS": "x-key=hidden",
            "https_proxy": url,
        }
        assert send(environ).taken
    assert receiver.logs == ["work"]
    assert asked[0].startswith(f"CONNECT 127.0.0.1:{receiver.port} ".encode())
    assert b"hidden" not in asked[0]


def run(program: str, environ: Mapping[str, str]) -> str:
    """Run a program in a process of its own; return what it prints."""
    found = subprocess.run(
        [sys.executable, "-c", dedent(program)],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
def test_nothing_is_imported_by_the_thread_that_sends(is_tls: bool, tmp_path: Path) -> None:
    """All that sending needs is imported at set-up: an import in a thread and a fork do not go together."""
    tls = make(tmp_path, "receiver") if is_tls else None
    program = """
        import os, sys
        from tests.support.otlp_send import outlet, records
        with outlet(os.environ) as made:
            before = set(sys.modules)
            assert made.send(records("work")).delivered
            print(sorted(set(sys.modules) - before))
    """
    with Receiver(tls=tls) as receiver:
        trust = {"OTEL_EXPORTER_OTLP_CERTIFICATE": str(tls.certificate)} if tls else {}
        assert run(program, {**receiver.environment, **trust, "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}) == "[]\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_connects_for_itself() -> None:
    """Parent and child share no connection, and the child's end does not end the parent's."""
    program = """
        import os
        from tests.support.otlp_send import outlet, records
        with outlet(os.environ) as made:
            assert made.send(records("parent 1")).delivered
            child = os.fork()
            if child == 0:
                made.after_fork()
                delivered = made.send(records("child")).delivered
                made.close()
                os._exit(0 if delivered else 1)
            assert os.waitpid(child, 0)[1] == 0
            assert made.send(records("parent 2")).delivered
    """
    with Receiver() as receiver:
        run(program, receiver.environment)
    assert receiver.logs == ["parent 1", "child", "parent 2"]
    assert receiver.connections == 2
