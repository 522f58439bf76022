"""Observability for LLM agent backends: metrics, traces and logs joined by one trace id.

Two lines in an app::

    import capibara_otel as cap

    cap.configure(service_name="my-agent")  # nothing leaves this machine until you say where to
    cap.instrument_fastapi(app)

and, in agent code, one shape for all subsystems::

    with cap.rag.search(index="docs", top_k=8) as search:
        hits = store.search(text)
        search.found(len(hits), scores=[hit.score for hit in hits])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from capibara_otel.exceptions import CapibaraError, ConfigurationError, MissingExtraError, UsageError
from capibara_otel.operation import Operation, OperationHook, OperationRecord, propagate
from capibara_otel.sdk import DEFAULT, Capibara

if TYPE_CHECKING:
    from capibara_otel.logs import Logs

    __version__: str
    log: Logs

ace = DEFAULT.ace
add_hook = DEFAULT.add_hook
agents = DEFAULT.agents
api = DEFAULT.api
business = DEFAULT.business
configure = DEFAULT.configure
context = DEFAULT.context
current = DEFAULT.current
e2b = DEFAULT.e2b
force_flush = DEFAULT.force_flush
instrument_fastapi = DEFAULT.instrument_fastapi
llm = DEFAULT.llm
metrics = DEFAULT.metrics
optimizations = DEFAULT.optimizations
rag = DEFAULT.rag
routing = DEFAULT.routing
shutdown = DEFAULT.shutdown
system = DEFAULT.system

__all__ = [
    "Capibara",
    "CapibaraError",
    "ConfigurationError",
    "MissingExtraError",
    "Operation",
    "OperationHook",
    "OperationRecord",
    "UsageError",
    "__version__",
    "ace",
    "add_hook",
    "agents",
    "api",
    "business",
    "configure",
    "context",
    "current",
    "e2b",
    "force_flush",
    "instrument_fastapi",
    "llm",
    "log",
    "metrics",
    "optimizations",
    "propagate",
    "rag",
    "routing",
    "shutdown",
    "system",
]


def __getattr__(name: str) -> Any:
    if name == "log":
        return DEFAULT.log
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 - reading package metadata takes time

        return version("capibara-otel")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
