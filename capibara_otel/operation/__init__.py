"""One lifecycle for everything that is observed; see `lifecycle.Operation`."""

from __future__ import annotations

from capibara_otel.operation.context import (
    attached,
    belonging_to,
    current_operation,
    put_context_on,
    who,
    with_who,
)
from capibara_otel.operation.emitter import Emitter, Policy
from capibara_otel.operation.lifecycle import Operation
from capibara_otel.operation.record import OperationHook, OperationRecord
from capibara_otel.operation.threads import propagate

__all__ = [
    "Emitter",
    "Operation",
    "OperationHook",
    "OperationRecord",
    "Policy",
    "attached",
    "belonging_to",
    "current_operation",
    "propagate",
    "put_context_on",
    "who",
    "with_who",
]
