"""Every helper called rightly, to be called wrongly argument by argument."""

from __future__ import annotations

from typing import Any

from capibara_otel.operation import Operation
from capibara_otel.sdk import Capibara


class Hostile:
    """Raises whatever is asked of it."""

    def _no(self, *_: object) -> Any:
        raise RuntimeError("hostile")

    __bool__ = __len__ = __iter__ = __eq__ = __hash__ = __str__ = __repr__ = __float__ = __int__ = __lt__ = __gt__ = _no


# One call of each helper that is right in every argument, by what a developer writes after `cap.`.
RIGHT: dict[str, dict[str, Any]] = {
    "api.request": {"method": "GET", "path": "/", "attributes": {}},
    "api.websocket": {"path": "/", "attributes": {}},
    "api.background": {"route": "/"},
    "api.exception": {"error": ValueError(), "route": "/"},
    "api.record_request": {
        "method": "GET", "route": "/", "status_code": 200, "duration_s": 0.1, "request_size": 1, "response_size": 1,
    },
    "routing.decide": {"query_type": "code"},
    "routing.record_decision": {
        "model": "m", "duration_s": 0.1, "complexity": "low", "confidence": 0.5, "query_type": "code", "over": ["n"],
        "instead_of": "o", "reason": "r", "outcome": "", "error": "",
    },
    "ace.cycle": {"component": "generator"},
    "ace.playbook": {"entries": 1, "added": 1, "updated": 1, "removed": 1},
    "ace.record_cycle": {
        "component": "generator", "duration_s": 0.1, "outcome": "", "awareness": 0.5, "tokens_before": 1,
        "tokens_after": 1, "error": "",
    },
    "e2b.execute": {"language": "python", "template": "base", "timeout_s": 1.0, "sandbox_id": "s"},
    "e2b.sandbox": {"template": "base", "sandbox_id": "s"},
    "e2b.queue": {"size": 1, "template": "base"},
    "e2b.record_execution": {
        "language": "python", "duration_s": 0.1, "exit_code": 0, "timed_out": False, "cpu_s": 0.1, "memory_peak": 1,
        "template": "base", "sandbox_id": "s", "outcome": "", "error": "",
    },
    "rag.search": {"index": "docs", "top_k": 1, "query": "q"},
    "rag.ingest": {"index": "docs"},
    "rag.vectors": {"index": "docs", "count": 1},
    "rag.record_search": {
        "index": "docs", "duration_s": 0.1, "results": 1, "scores": [0.5], "top_k": 1, "outcome": "", "error": "",
    },
    "rag.record_ingest": {"index": "docs", "duration_s": 0.1, "documents": 1, "chunks": 1, "outcome": "", "error": ""},
    "agents.interaction": {"domain": "d", "agent_id": "a", "agent_name": "n"},
    "agents.graduate": {"domain": "d", "agent_id": "a"},
    "agents.memory": {"operation": "read", "domain": "d", "agent_id": "a"},
    "agents.active": {"domain": "d", "count": 1},
    "agents.record_interaction": {
        "domain": "d", "duration_s": 0.1, "steps": 1, "memory_size": 1, "memory_entries": 1, "agent_id": "a",
        "outcome": "", "error": "",
    },
    "agents.record_graduation": {"domain": "d", "score": 0.5, "graduated": True, "agent_id": "a", "duration_s": 0.1},
    "agents.record_memory": {"operation": "read", "domain": "d", "duration_s": 0.1, "items": 1, "agent_id": "a"},
    "llm.chat": {
        "provider": "openai", "model": "m", "streamed": True, "max_tokens": 1, "temperature": 0.1,
        "messages": [{"role": "user", "content": "hi"}], "server_address": "h", "server_port": 1,
    },
    "llm.embed": {"provider": "openai", "model": "m", "inputs": 1, "server_address": "h", "server_port": 1},
    "llm.record_chat": {
        "provider": "openai", "model": "m", "duration_s": 0.1, "input_tokens": 1, "output_tokens": 1, "cached_tokens": 1,
        "cache_write_tokens": 1, "reasoning_tokens": 1, "finish_reason": "stop", "outcome": "", "error": "",
    },
    "llm.record_embedding": {
        "provider": "openai", "model": "m", "duration_s": 0.1, "input_tokens": 1, "inputs": 1, "outcome": "", "error": "",
    },
    "optimizations.cache": {"name": "answers"},
    "optimizations.cache_state": {"name": "answers", "entries": 1, "evicted": 1},
    "optimizations.batch": {"name": "b", "size": 1},
    "optimizations.batch_wait": {"name": "b", "seconds": 0.1},
    "optimizations.apply": {"name": "o"},
    "optimizations.record_cache": {"name": "answers", "result": "hit", "duration_s": 0.1},
    "optimizations.record_batch": {"name": "b", "size": 1, "duration_s": 0.1, "wait_s": 0.1, "outcome": "", "error": ""},
    "optimizations.record_optimization": {"name": "o", "duration_s": 0.1, "improvement": 0.5, "outcome": "", "error": ""},
    "business.query": {"query_type": "code", "tier": "pro"},
    "business.satisfaction": {"score": 5, "query_type": "code", "tier": "pro"},
    "business.users": {"tier": "pro", "active": 1},
    "business.kpi": {"name": "k", "value": 0.5},
    "business.record_query": {
        "query_type": "code", "duration_s": 0.1, "tier": "pro", "satisfaction": 5, "outcome": "", "error": "",
    },
    "system.record_cpu": {"percent": 5.0},
    "system.record_memory": {"used": 1, "limit": 1},
    "system.record_disk": {"mountpoint": "/", "used": 1, "limit": 1},
    "system.record_disk_io": {"read": 1, "written": 1},
    "system.record_network": {"received": 1, "sent": 1},
    "system.record_load": {"one": 0.1, "five": 0.1, "fifteen": 0.1},
    "system.record_process": {"cpu_percent": 1.0, "memory": 1, "threads": 1, "file_descriptors": 1, "uptime_s": 1.0},
    "system.record_gc": {"generation": 0, "duration_s": 0.1, "collected": 1},
    "system.record_event_loop_lag": {"seconds": 0.1},
}  # fmt: skip

# What can be told to an open operation.
TOLD: dict[str, dict[str, Any]] = {
    "api.request.routed": {"route": "/"},
    "api.request.responded": {"status_code": 200, "first_byte_s": 0.1},
    "api.request.sizes": {"request": 1, "response": 1, "chunks": 1},
    "api.request.disconnected": {},
    "api.websocket.message": {"direction": "send"},
    "routing.decide.chose": {
        "model": "m", "complexity": "low", "confidence": 0.5, "over": ["n"], "instead_of": "o", "reason": "r",
    },
    "ace.cycle.aware": {"score": 0.5},
    "ace.cycle.tokens": {"before": 1, "after": 1},
    "e2b.execute.exited": {"code": 0, "timed_out": False, "cpu_s": 0.1, "memory_peak": 1},
    "e2b.execute.waited": {"seconds": 0.1},
    "e2b.sandbox.ready": {"seconds": 0.1},
    "rag.search.found": {"count": 1, "scores": [0.5]},
    "rag.ingest.ingested": {"documents": 1, "chunks": 1},
    "agents.interaction.step": {"count": 1},
    "agents.interaction.memory": {"size": 1, "entries": 1},
    "agents.graduate.graduated": {"score": 0.5},
    "agents.graduate.failed": {"score": 0.5},
    "agents.memory.touched": {"items": 1},
    "llm.chat.retried": {"reason": "503"},
    "llm.chat.provider_error": {"error": "503"},
    "llm.chat.usage": {
        "input_tokens": 1, "output_tokens": 1, "cached_tokens": 1, "cache_write_tokens": 1, "reasoning_tokens": 1,
    },
    "llm.chat.answered": {"model": "m", "response_id": "r", "finish_reason": "stop", "text": "t"},
    "llm.chat.chunk": {},
    "llm.embed.usage": {"input_tokens": 1},
    "llm.embed.answered": {"model": "m"},
    "optimizations.cache.hit": {},
    "optimizations.cache.miss": {},
    "optimizations.cache.stale": {},
    "optimizations.batch.waited": {"seconds": 0.1},
    "optimizations.apply.improved": {"share": 0.5},
    "business.query.satisfied": {"score": 5},
    "business.query.fail": {"error": "x"},
    "business.query.ended": {"outcome": "error", "error": "x"},
}  # fmt: skip


def do(cap: Capibara, call: str, arguments: dict[str, Any]) -> None:
    """Make a call; what it opens is used, what is told is told to the opened operation it belongs to."""
    if call in RIGHT:
        subsystem, verb = call.split(".")
        opened = getattr(getattr(cap, subsystem), verb)(**arguments)
        if isinstance(opened, Operation):
            with opened:
                pass
        return
    subsystem, verb, told = call.split(".")
    with getattr(getattr(cap, subsystem), verb)(**RIGHT[f"{subsystem}.{verb}"]) as operation:
        getattr(operation, told)(**arguments)
