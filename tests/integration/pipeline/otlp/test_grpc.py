"""OTLP over gRPC, to real receivers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping
from pathlib import Path

import grpc  # type: ignore[import-untyped]
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage  # type: ignore[import-untyped]
from google.protobuf.duration_pb2 import Duration  # type: ignore[import-untyped]
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from capibara_otel.pipeline.otlp.grpc import GrpcTransport
from capibara_otel.pipeline.otlp.options import Options
from capibara_otel.pipeline.otlp.reply import Reply
from tests.support.certificates import make
from tests.support.otlp_send import outlet, records, request
from tests.support.receiver import Receiver, Said, Tls


def transport(environ: Mapping[str, str]) -> GrpcTransport:
    """Return a transport for log records."""
    return GrpcTransport("logs", Options.read("logs", "grpc", environ), "tests/1")


def send(environ: Mapping[str, str], timeout_s: float = 10) -> Reply:
    """Send one record once."""
    made = transport(environ)
    try:
        return made.send(request("work"), timeout_s)
    finally:
        made.close()


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_requests_arrive(compression: str) -> None:
    """What is sent arrives as it is, compressed or not, with our name and the environment's headers as metadata."""
    with Receiver("grpc") as receiver:
        environ = {
            **receiver.environment,
            "OTEL_EXPORTER_OTLP_HEADERS": "X-Tenant=a%20b",
            "OTEL_EXPORTER_OTLP_COMPRESSION": compression,
        }
        with outlet(environ) as made:
            assert all(made.send(records(body)).delivered for body in ("1", "2"))
    assert receiver.logs == ["1", "2"]
    assert receiver.headers[0]["user-agent"].startswith("capibara-otel/")
    assert receiver.headers[0]["x-tenant"] == "a b"


def test_every_signal_has_its_service() -> None:
    """An outlet of each signal reaches the service of that signal."""
    with Receiver("grpc") as receiver:
        for signal in receiver.received:
            made = GrpcTransport(signal, Options.read(signal, "grpc", receiver.environment), "tests/1")
            assert made.send(b"", 10).taken
            made.close()
    assert [len(requests) for requests in receiver.received.values()] == [1, 1, 1]


@pytest.mark.parametrize(
    ("code", "is_retryable"),
    [
        *((code, True) for code in ("CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE")),
        *((code, True) for code in ("UNAVAILABLE", "DATA_LOSS")),
        *((code, False) for code in ("UNKNOWN", "INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "INTERNAL")),
        *((code, False) for code in ("PERMISSION_DENIED", "UNAUTHENTICATED", "UNIMPLEMENTED", "RESOURCE_EXHAUSTED")),
    ],
)
def test_only_what_the_protocol_names_is_worth_another_try(code: str, is_retryable: bool) -> None:
    """Codes that may pass are retryable; exhausted resources are not, as long as no time is named."""
    with Receiver("grpc", answers=[Said(code=grpc.StatusCode[code])]) as receiver:
        reply = send(receiver.environment)
    assert (reply.taken, reply.fault, reply.is_retryable) == (False, f"gRPC {code}", is_retryable)
    assert reply.wait_s is None


def status(info: RetryInfo) -> bytes:
    """Return a status with details, as servers put it into the metadata."""
    detail = AnyMessage()
    detail.Pack(info)
    return bytes(Status(code=8, message="slow down", details=[detail]).SerializeToString())


WAIT = RetryInfo(retry_delay=Duration(seconds=2, nanos=500_000_000))


@pytest.mark.parametrize(
    "trailing",
    [("grpc-status-details-bin", status(WAIT)), ("google.rpc.retryinfo-bin", WAIT.SerializeToString())],
    ids=["details", "single"],
)
@pytest.mark.parametrize("code", ["RESOURCE_EXHAUSTED", "UNAVAILABLE"])
def test_the_receiver_says_when(code: str, trailing: tuple[str, bytes]) -> None:
    """`RetryInfo` makes exhausted resources worth another try, and says when, in either of the two places."""
    with Receiver("grpc", answers=[Said(code=grpc.StatusCode[code], trailing=(trailing,))]) as receiver:
        reply = send(receiver.environment)
    assert (reply.is_retryable, reply.wait_s, reply.message) == (True, 2.5, "refused")


def test_details_that_cannot_be_read_say_nothing() -> None:
    """What is no message in the metadata does no harm."""
    trailing = (("grpc-status-details-bin", b"\xff"), ("google.rpc.retryinfo-bin", b"\xff"))
    answers = [Said(code=grpc.StatusCode.RESOURCE_EXHAUSTED, trailing=trailing)]
    with Receiver("grpc", answers=answers) as receiver:
        assert not send(receiver.environment).is_retryable


def test_a_silent_receiver_has_a_deadline() -> None:
    """A call that is not answered in time may pass, as may one that finds nobody."""
    with Receiver("grpc", "black hole") as receiver:
        silent = send(receiver.environment, 0.1)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    refused = send({"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}, 5)
    assert [(reply.fault, reply.is_retryable) for reply in (silent, refused)] == [
        ("gRPC DEADLINE_EXCEEDED", True),
        ("gRPC UNAVAILABLE", True),
    ]


def test_a_long_answer_is_not_read() -> None:
    """An answer of more than is ever needed is refused, and the batch not sent again."""
    with Receiver("grpc", answers=[Said(body=b"\x0a" * 1_000_000)]) as receiver:
        reply = send(receiver.environment)
    assert (reply.taken, reply.is_retryable) == (False, False)


def test_a_receiver_that_was_restarted_gets_the_next_request() -> None:
    """The channel connects again."""
    with Receiver("grpc") as first:
        made = transport(first.environment)
        assert made.send(request("1"), 10).taken
    with Receiver("grpc", port=first.port) as second:
        while not made.send(request("2"), 10).taken:
            pass
    assert second.logs == ["2"]
    made.close()


def test_closing_breaks_off_what_is_under_way() -> None:
    """Whoever closes does not wait for the receiver, and what comes later is refused."""
    with Receiver("grpc", "black hole") as receiver:
        made = transport(receiver.environment)
        replies: list[Reply] = []
        thread = threading.Thread(target=lambda: replies.append(made.send(request("1"), 100)))
        thread.start()
        assert receiver.wait_for(lambda each: each.attempts == 1)
        made.close()
        thread.join(20)
        assert [reply.fault for reply in replies] == ["it was given up"]
        assert made.send(request("2"), 100).fault == "it was given up"
        assert receiver.attempts == 1


def test_tls_is_checked_both_ways(tmp_path: Path) -> None:
    """The receiver's certificate must be of the authority that is named, the client's is shown."""
    own, client = make(tmp_path, "receiver"), make(tmp_path, "client")
    with Receiver("grpc", tls=Tls(own.certificate, own.key, client.certificate)) as receiver:
        environ = {**receiver.environment, "OTEL_EXPORTER_OTLP_CERTIFICATE": str(own.certificate)}
        named = {
            "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": str(client.certificate),
            "OTEL_EXPORTER_OTLP_CLIENT_KEY": str(client.key),
        }
        assert not send({**environ, **named, "OTEL_EXPORTER_OTLP_CERTIFICATE": str(client.certificate)}, 2).taken
        assert not send(environ, 2).taken
        assert send({**environ, **named}).taken
        bare = {**environ, **named, "OTEL_EXPORTER_OTLP_ENDPOINT": f"127.0.0.1:{receiver.port}"}
        assert send(bare).taken
    assert receiver.logs == ["work", "work"]


@pytest.mark.parametrize(
    ("scheme", "insecure", "goes_without"),
    [
        ("http://", None, True),
        ("http://", "false", False),
        ("", "true", True),
        ("", "false", False),
        ("", None, False),
        ("https://", "true", False),
    ],
)
def test_tls_is_left_out_where_the_endpoint_or_the_environment_says_so(
    scheme: str, insecure: str | None, goes_without: bool
) -> None:
    """`https` is always TLS; `http` and a bare address are what `INSECURE` says, or else without and with."""
    with Receiver("grpc") as receiver:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"{scheme}127.0.0.1:{receiver.port}"}
        if insecure is not None:
            environ["OTEL_EXPORTER_OTLP_LOGS_INSECURE"] = insecure
        assert send(environ, 1).taken == goes_without
