"""Something to send, and outlets to send it with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from capibara_otel.pipeline.health import Health, Signal
from capibara_otel.pipeline.logs.record import Record
from capibara_otel.pipeline.otlp import logs
from capibara_otel.pipeline.otlp.outlet import OtlpOutlet
from capibara_otel.pipeline.otlp.outlets import outlets
from capibara_otel.pipeline.otlp.spool import Spool
from capibara_otel.pipeline.scope import Resource, Scope

SCOPE = Scope("tests")
RESOURCE = Resource({"service.name": "tests"})


def records(*bodies: str) -> list[Record]:
    """Return log records with these bodies."""
    return [Record(1, 1, 9, "INFO", body, {}, 0, 0, 0, 0, "", SCOPE) for body in bodies]


def request(*bodies: str) -> bytes:
    """Return them as a request."""
    return logs.encode(records(*bodies), RESOURCE)


@contextmanager
def outlet(
    environ: Mapping[str, str], *, signal: Signal = "logs", health: Health | None = None, spool: Spool | None = None
) -> Iterator[OtlpOutlet[Any]]:
    """Give the outlet that an environment asks for, and close it."""
    (made,) = outlets(signal, environ, lambda: RESOURCE, health or Health(), spool=spool)
    try:
        yield made
    finally:
        made.close()
