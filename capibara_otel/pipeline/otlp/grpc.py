"""OTLP over gRPC, on grpcio: the bytes go as they are. Imported only where gRPC is asked for, for it is large."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import grpc  # type: ignore[import-untyped]

from capibara_otel.pipeline.health import Signal
from capibara_otel.pipeline.otlp.answer import LONGEST, Refusal, read_answer, read_refusal, read_retry_info
from capibara_otel.pipeline.otlp.options import Options
from capibara_otel.pipeline.otlp.reply import Reply

_METHODS: Final[Mapping[Signal, str]] = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}
_RETRYABLE: Final = frozenset(
    {
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
_HEADERS: Final = "set OTEL_EXPORTER_OTLP_HEADERS to what it wants to know who sends"
_ADVICE: Final[Mapping[grpc.StatusCode, str]] = {
    grpc.StatusCode.UNAUTHENTICATED: _HEADERS,
    grpc.StatusCode.PERMISSION_DENIED: _HEADERS,
    grpc.StatusCode.UNIMPLEMENTED: "it does not take this signal over gRPC: see OTEL_EXPORTER_OTLP_ENDPOINT",
    grpc.StatusCode.RESOURCE_EXHAUSTED: (
        "lower OTEL_BSP_MAX_EXPORT_BATCH_SIZE and OTEL_BLRP_MAX_EXPORT_BATCH_SIZE, or have it take larger requests"
    ),
}
_CLOSED: Final = Reply(taken=False, fault="it was given up", is_retryable=True)


class GrpcTransport:
    """Calls one service.

    Args:
        signal: whose service.
        options: where and how.
        user_agent: how we call ourselves.

    Raises:
        OSError: a certificate cannot be read.
    """

    def __init__(self, signal: Signal, options: Options, user_agent: str) -> None:
        target, credentials = _target(options)
        settings = [
            ("grpc.primary_user_agent", user_agent),
            ("grpc.max_receive_message_length", LONGEST),
            # Left alone it would wait for up to two minutes before it connects again.
            ("grpc.initial_reconnect_backoff_ms", 500),
            ("grpc.max_reconnect_backoff_ms", 5_000),
        ]
        compression = grpc.Compression.Gzip if options.compression == "gzip" else grpc.Compression.NoCompression
        if credentials is None:
            self._channel = grpc.insecure_channel(target, settings, compression)
        else:
            self._channel = grpc.secure_channel(target, credentials, settings, compression)
        self._metadata: Final = tuple(options.headers.items())
        self._call: Final[Any] = self._channel.unary_unary(_METHODS[signal])
        self._under_way: Any = None
        self._is_closed = False

    def send(self, body: bytes, timeout_s: float) -> Reply:
        """Call the service once."""
        if self._was_closed():
            return _CLOSED
        try:
            self._under_way = self._call.future(body, timeout=timeout_s, metadata=self._metadata)
            if self._was_closed():
                self._under_way.cancel()
            return Reply(taken=True, answer=read_answer(self._under_way.result()))
        except (grpc.RpcError, grpc.FutureCancelledError) as fault:
            return _CLOSED if self._was_closed() else _reply_of(fault)
        except ValueError:
            return _CLOSED  # the channel was closed just before
        finally:
            self._under_way = None

    def close(self) -> None:
        """Break off what is under way, and refuse more."""
        self._is_closed = True
        under_way = self._under_way
        if under_way is not None:
            under_way.cancel()
        self._channel.close()

    def _was_closed(self) -> bool:  # asked again, for another thread closes
        return self._is_closed


def _target(options: Options) -> tuple[str, Any]:
    """Return host and port, and the credentials of a TLS channel; None where it goes without."""
    parts = urlsplit(options.endpoint)
    is_insecure = parts.scheme != "https" and (
        options.insecure == "true" if options.insecure else parts.scheme == "http"
    )
    target = parts.netloc.rpartition("@")[2] or options.endpoint
    if is_insecure:
        return target, None
    return target, grpc.ssl_channel_credentials(
        *(_read(path) for path in (options.certificate, options.client_key, options.client_certificate))
    )


def _read(path: str | None) -> bytes | None:
    return None if path is None else Path(path).read_bytes()


def _reply_of(fault: Any) -> Reply:
    code = fault.code() if isinstance(fault, grpc.Call) else grpc.StatusCode.CANCELLED
    refusal = _refusal(fault) if isinstance(fault, grpc.Call) else Refusal()
    # Without a time to wait for, it means a batch that is too large, or a quota that is used up for good.
    is_retryable = code in _RETRYABLE or (code is grpc.StatusCode.RESOURCE_EXHAUSTED and refusal.wait_s is not None)
    return Reply(
        taken=False,
        fault=f"gRPC {code.name}",
        message=refusal.message,
        advice=_ADVICE.get(code, ""),
        is_retryable=is_retryable,
        wait_s=refusal.wait_s if is_retryable else None,
    )


def _refusal(call: Any) -> Refusal:
    details = dict(call.trailing_metadata() or ())
    said = read_refusal(details.get("grpc-status-details-bin", b""))
    wait_s = said.wait_s
    if wait_s is None and "google.rpc.retryinfo-bin" in details:
        try:
            wait_s = read_retry_info(details["google.rpc.retryinfo-bin"])
        except ValueError:
            wait_s = None
    return Refusal(call.details() or said.message, wait_s)
