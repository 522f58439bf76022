"""Attribute names. DO NOT EDIT. Written by `make gen` from capibara_otel/registry/*.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from capibara_otel.semconv.specs import AttributeSpec

ACE_AWARENESS: Final = "capibara6.ace.awareness"
"""How much of the query the engineered context covers."""

ACE_CHANGE: Final = "capibara6.ace.change"
"""What happened to an entry of the playbook."""

ACE_COMPONENT: Final = "capibara6.ace.component"
"""Part of the ACE cycle."""

ACE_TOKENS_AFTER: Final = "capibara6.ace.tokens.after"
"""Tokens of context after the component ran."""

ACE_TOKENS_BEFORE: Final = "capibara6.ace.tokens.before"
"""Tokens of context before the component ran."""

AGENTS_DOMAIN: Final = "capibara6.agents.domain"
"""Field the agent works in."""

AGENTS_MEMORY_ITEMS: Final = "capibara6.agents.memory.items"
"""Items the operation touched."""

AGENTS_MEMORY_OPERATION: Final = "capibara6.agents.memory.operation"
"""What was done with the memory."""

AGENTS_SCORE: Final = "capibara6.agents.score"
"""Score that made the agent graduate."""

AGENTS_STEPS: Final = "capibara6.agents.steps"
"""Steps the agent took for the task."""

API_CHUNKS: Final = "capibara6.api.chunks"
"""Body messages the response was sent in."""

API_DIRECTION: Final = "capibara6.api.direction"
"""Way a WebSocket message went."""

API_TASK: Final = "capibara6.api.task"
"""Name of the background task's function."""

BATCH_NAME: Final = "capibara6.batch.name"
"""The batch queue by its configured name."""

BATCH_SIZE: Final = "capibara6.batch.size"
"""Items in the batch."""

BUSINESS_KPI: Final = "capibara6.business.kpi"
"""Name of a key performance indicator."""

BUSINESS_QUERY_TYPE: Final = "capibara6.business.query_type"
"""Kind of query, as the product names its kinds."""

BUSINESS_SATISFACTION: Final = "capibara6.business.satisfaction"
"""Score the user gave, 1 worst to 5 best."""

BUSINESS_TIER: Final = "capibara6.business.tier"
"""The user's plan."""

CACHE_NAME: Final = "capibara6.cache.name"
"""The cache by its configured name."""

CACHE_RESULT: Final = "capibara6.cache.result"
"""What a look-up in the cache gave."""

CLIENT_ADDRESS: Final = "client.address"
"""Address of the client as the server saw it."""

CPYTHON_GC_GENERATION: Final = "cpython.gc.generation"
"""Generation of the garbage collector."""

E2B_EXIT_CODE: Final = "capibara6.e2b.exit_code"
"""Exit code; negative when a signal ended the process."""

E2B_LANGUAGE: Final = "capibara6.e2b.language"
"""Language of the code."""

E2B_SANDBOX_ID: Final = "capibara6.e2b.sandbox.id"
"""The sandbox's id."""

E2B_TEMPLATE: Final = "capibara6.e2b.template"
"""Sandbox template (image)."""

E2B_TIMEOUT: Final = "capibara6.e2b.timeout"
"""The time limit that was set, in seconds."""

ERROR_TYPE: Final = "error.type"
"""Class of the failure; present only when the operation failed."""

EXCEPTION_MESSAGE: Final = "exception.message"
"""The exception's message, redacted."""

EXCEPTION_STACKTRACE: Final = "exception.stacktrace"
"""The exception's traceback, redacted."""

EXCEPTION_TYPE: Final = "exception.type"
"""Class of the exception."""

GEN_AI_AGENT_ID: Final = "gen_ai.agent.id"
"""The agent's id."""

GEN_AI_AGENT_NAME: Final = "gen_ai.agent.name"
"""The agent's name."""

GEN_AI_CONVERSATION_ID: Final = "gen_ai.conversation.id"
"""The conversation the call belongs to; never invented."""

GEN_AI_DATA_SOURCE_ID: Final = "gen_ai.data_source.id"
"""The data source that was searched."""

GEN_AI_INPUT_MESSAGES: Final = "gen_ai.input.messages"
"""The messages sent, as JSON; recorded only where content capture is on."""

GEN_AI_OPERATION_NAME: Final = "gen_ai.operation.name"
"""What the model, agent or tool was asked to do."""

GEN_AI_OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
"""The messages received, as JSON; recorded only where content capture is on."""

GEN_AI_PROVIDER_NAME: Final = "gen_ai.provider.name"
"""Provider as the client knows it."""

GEN_AI_REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
"""Most tokens the answer may have."""

GEN_AI_REQUEST_MODEL: Final = "gen_ai.request.model"
"""Model that was asked for."""

GEN_AI_REQUEST_STREAM: Final = "gen_ai.request.stream"
"""Whether the answer was streamed."""

GEN_AI_REQUEST_TEMPERATURE: Final = "gen_ai.request.temperature"
"""Sampling temperature."""

GEN_AI_RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
"""Why the model stopped, one for each choice."""

GEN_AI_RESPONSE_ID: Final = "gen_ai.response.id"
"""Id of the answer."""

GEN_AI_RESPONSE_MODEL: Final = "gen_ai.response.model"
"""Model that answered."""

GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
"""Seconds until the first chunk."""

GEN_AI_TOKEN_MODALITY: Final = "gen_ai.token.modality"
"""Kind of content the tokens stand for."""

GEN_AI_TOKEN_TYPE: Final = "gen_ai.token.type"
"""Input or output tokens (legacy metric only)."""

GEN_AI_TOOL_NAME: Final = "gen_ai.tool.name"
"""The tool's name."""

GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
"""Input tokens that were read from the provider's cache."""

GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS: Final = "gen_ai.usage.cache_write.input_tokens"
"""Input tokens that were written to the provider's cache."""

GEN_AI_USAGE_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
"""Input tokens, those read from a cache included."""

GEN_AI_USAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
"""Output tokens, those spent on reasoning included."""

GEN_AI_USAGE_REASONING_OUTPUT_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"
"""Output tokens spent on reasoning."""

HTTP_REQUEST_BODY_SIZE: Final = "http.request.body.size"
"""Bytes of the request body that the app read."""

HTTP_REQUEST_HEADER: Final = "http.request.header"
"""A request header the operator asked for, redacted."""

HTTP_REQUEST_METHOD: Final = "http.request.method"
"""Request method, upper case; unknown ones are `_OTHER`."""

HTTP_REQUEST_METHOD_ORIGINAL: Final = "http.request.method_original"
"""The method as the client sent it, when it is not a known one."""

HTTP_RESPONSE_BODY_SIZE: Final = "http.response.body.size"
"""Bytes of the response body that were sent."""

HTTP_RESPONSE_HEADER: Final = "http.response.header"
"""A response header the operator asked for, redacted."""

HTTP_RESPONSE_STATUS_CODE: Final = "http.response.status_code"
"""Response status."""

HTTP_ROUTE: Final = "http.route"
"""The matched route's template; absent when no route matched."""

LLM_CHUNKS: Final = "capibara6.llm.chunks"
"""Chunks the answer came in."""

LLM_FINISH_REASON: Final = "capibara6.llm.finish_reason"
"""Why the model stopped."""

LLM_INPUTS: Final = "capibara6.llm.inputs"
"""Texts in one embedding call."""

LLM_RETRIES: Final = "capibara6.llm.retries"
"""Times the call was tried again."""

LLM_RETRY_REASON: Final = "capibara6.llm.retry.reason"
"""Why a call was tried again; a short constant word or status code."""

NETWORK_PROTOCOL_NAME: Final = "network.protocol.name"
"""Application protocol when it is not HTTP."""

NETWORK_PROTOCOL_VERSION: Final = "network.protocol.version"
"""Version of the protocol."""

OPTIMIZATIONS_IMPROVEMENT: Final = "capibara6.optimizations.improvement"
"""Share that was saved, 0 nothing to 1 all; negative when it made things worse."""

OPTIMIZATIONS_NAME: Final = "capibara6.optimizations.name"
"""The optimization by its configured name."""

OUTCOME: Final = "capibara6.outcome"
"""How the operation ended."""

RAG_CHUNKS: Final = "capibara6.rag.chunks"
"""Chunks the documents were split into."""

RAG_DOCUMENTS: Final = "capibara6.rag.documents"
"""Documents handed in."""

RAG_HIT: Final = "capibara6.rag.hit"
"""Whether the search found anything."""

RAG_INDEX: Final = "capibara6.rag.index"
"""The index (collection, data source) by its configured name."""

RAG_QUERY: Final = "capibara6.rag.query"
"""The query text; recorded only where content capture is on."""

RAG_RELEVANCE_BEST: Final = "capibara6.rag.relevance.best"
"""Relevance of the best result."""

RAG_RESULTS: Final = "capibara6.rag.results"
"""Results found."""

RAG_TOP_K: Final = "capibara6.rag.top_k"
"""Results asked for."""

REQUEST_ID: Final = "capibara6.request.id"
"""The request's id, taken from `X-Request-ID` or made by the middleware."""

ROUTING_ALTERNATIVES: Final = "capibara6.routing.alternatives"
"""The models that were considered and not chosen, best first."""

ROUTING_COMPLEXITY: Final = "capibara6.routing.complexity"
"""How hard the router judged the query to be."""

ROUTING_CONFIDENCE: Final = "capibara6.routing.confidence"
"""How sure the router was of its choice."""

ROUTING_FALLBACK_FROM: Final = "capibara6.routing.fallback.from"
"""The model that would have been chosen, had it been available."""

ROUTING_FALLBACK_REASON: Final = "capibara6.routing.fallback.reason"
"""Why the first choice was not taken; a short constant word."""

ROUTING_MODEL: Final = "capibara6.routing.model"
"""The model that was chosen."""

ROUTING_QUERY_TYPE: Final = "capibara6.routing.query_type"
"""Kind of query, as the app names its kinds."""

SERVER_ADDRESS: Final = "server.address"
"""Host the request was sent to, or the host called."""

SERVER_PORT: Final = "server.port"
"""Port the request was sent to, or the port called."""

SESSION_ID: Final = "session.id"
"""The user's session."""

SYSTEM_DIRECTION: Final = "capibara6.system.direction"
"""Way the bytes went."""

SYSTEM_MOUNTPOINT: Final = "capibara6.system.mountpoint"
"""Where the file system is mounted."""

SYSTEM_WINDOW: Final = "capibara6.system.window"
"""Span of time the load is averaged over."""

TELEMETRY_ATTRIBUTE: Final = "capibara6.telemetry.attribute"
"""The attribute with the most values among that metric's series."""

TELEMETRY_CALL: Final = "capibara6.telemetry.call"
"""The helper that was called with a value it cannot record."""

TELEMETRY_DECISION: Final = "capibara6.telemetry.decision"
"""What tail sampling decided about a trace."""

TELEMETRY_METRIC: Final = "capibara6.telemetry.metric"
"""A metric that has more series than its limit."""

TELEMETRY_PLACE: Final = "capibara6.telemetry.place"
"""Part of the telemetry in which a fault was swallowed."""

TELEMETRY_REASON: Final = "capibara6.telemetry.reason"
"""Why items were dropped."""

TELEMETRY_SIGNAL: Final = "capibara6.telemetry.signal"
"""Which signal."""

TENANT_ID: Final = "capibara6.tenant.id"
"""The customer or organisation that pays for the operation."""

URL_PATH: Final = "url.path"
"""The path as requested."""

URL_QUERY: Final = "url.query"
"""The query string, secrets redacted."""

URL_SCHEME: Final = "url.scheme"
"""Protocol of the request."""

USER_AGENT_ORIGINAL: Final = "user_agent.original"
"""The client's User-Agent header."""

USER_ID: Final = "user.id"
"""The user on whose behalf the operation runs."""

ATTRIBUTES: Final[Mapping[str, AttributeSpec]] = MappingProxyType(
    {
        ACE_AWARENESS: AttributeSpec(
            name="capibara6.ace.awareness",
            type="double",
            brief="How much of the query the engineered context covers.",
            minimum=0.0,
            maximum=1.0,
        ),
        ACE_CHANGE: AttributeSpec(
            name="capibara6.ace.change",
            type="string",
            brief="What happened to an entry of the playbook.",
            members=("add", "update", "remove"),
            bounded=True,
        ),
        ACE_COMPONENT: AttributeSpec(
            name="capibara6.ace.component",
            type="string",
            brief="Part of the ACE cycle.",
            members=("generator", "reflector", "curator"),
            bounded=True,
        ),
        ACE_TOKENS_AFTER: AttributeSpec(
            name="capibara6.ace.tokens.after",
            type="int",
            brief="Tokens of context after the component ran.",
            minimum=0.0,
        ),
        ACE_TOKENS_BEFORE: AttributeSpec(
            name="capibara6.ace.tokens.before",
            type="int",
            brief="Tokens of context before the component ran.",
            minimum=0.0,
        ),
        AGENTS_DOMAIN: AttributeSpec(
            name="capibara6.agents.domain",
            type="string",
            brief="Field the agent works in.",
            bounded=True,
        ),
        AGENTS_MEMORY_ITEMS: AttributeSpec(
            name="capibara6.agents.memory.items",
            type="int",
            brief="Items the operation touched.",
            minimum=0.0,
        ),
        AGENTS_MEMORY_OPERATION: AttributeSpec(
            name="capibara6.agents.memory.operation",
            type="string",
            brief="What was done with the memory.",
            members=("read", "write", "delete"),
            bounded=True,
        ),
        AGENTS_SCORE: AttributeSpec(
            name="capibara6.agents.score",
            type="double",
            brief="Score that made the agent graduate.",
            minimum=0.0,
            maximum=1.0,
        ),
        AGENTS_STEPS: AttributeSpec(
            name="capibara6.agents.steps",
            type="int",
            brief="Steps the agent took for the task.",
            minimum=0.0,
        ),
        API_CHUNKS: AttributeSpec(
            name="capibara6.api.chunks",
            type="int",
            brief="Body messages the response was sent in.",
            minimum=0.0,
        ),
        API_DIRECTION: AttributeSpec(
            name="capibara6.api.direction",
            type="string",
            brief="Way a WebSocket message went.",
            members=("receive", "send"),
            bounded=True,
        ),
        API_TASK: AttributeSpec(
            name="capibara6.api.task",
            type="string",
            brief="Name of the background task's function.",
            bounded=True,
        ),
        BATCH_NAME: AttributeSpec(
            name="capibara6.batch.name",
            type="string",
            brief="The batch queue by its configured name.",
            bounded=True,
        ),
        BATCH_SIZE: AttributeSpec(
            name="capibara6.batch.size",
            type="int",
            brief="Items in the batch.",
            minimum=0.0,
        ),
        BUSINESS_KPI: AttributeSpec(
            name="capibara6.business.kpi",
            type="string",
            brief="Name of a key performance indicator.",
            bounded=True,
        ),
        BUSINESS_QUERY_TYPE: AttributeSpec(
            name="capibara6.business.query_type",
            type="string",
            brief="Kind of query, as the product names its kinds.",
            bounded=True,
        ),
        BUSINESS_SATISFACTION: AttributeSpec(
            name="capibara6.business.satisfaction",
            type="double",
            brief="Score the user gave, 1 worst to 5 best.",
            minimum=1.0,
            maximum=5.0,
        ),
        BUSINESS_TIER: AttributeSpec(
            name="capibara6.business.tier",
            type="string",
            brief="The user's plan.",
            bounded=True,
        ),
        CACHE_NAME: AttributeSpec(
            name="capibara6.cache.name",
            type="string",
            brief="The cache by its configured name.",
            bounded=True,
        ),
        CACHE_RESULT: AttributeSpec(
            name="capibara6.cache.result",
            type="string",
            brief="What a look-up in the cache gave.",
            members=("hit", "miss", "stale"),
            bounded=True,
        ),
        E2B_EXIT_CODE: AttributeSpec(
            name="capibara6.e2b.exit_code",
            type="int",
            brief="Exit code; negative when a signal ended the process.",
            minimum=-64.0,
            maximum=255.0,
            bounded=True,
        ),
        E2B_LANGUAGE: AttributeSpec(
            name="capibara6.e2b.language",
            type="string",
            brief="Language of the code.",
            members=("python", "javascript", "typescript", "bash", "r", "java", "go", "rust", "c", "cpp", "sql"),
            bounded=True,
        ),
        E2B_SANDBOX_ID: AttributeSpec(
            name="capibara6.e2b.sandbox.id",
            type="string",
            brief="The sandbox's id.",
        ),
        E2B_TEMPLATE: AttributeSpec(
            name="capibara6.e2b.template",
            type="string",
            brief="Sandbox template (image).",
            bounded=True,
        ),
        E2B_TIMEOUT: AttributeSpec(
            name="capibara6.e2b.timeout",
            type="double",
            brief="The time limit that was set, in seconds.",
            minimum=0.0,
        ),
        LLM_CHUNKS: AttributeSpec(
            name="capibara6.llm.chunks",
            type="int",
            brief="Chunks the answer came in.",
            minimum=0.0,
        ),
        LLM_FINISH_REASON: AttributeSpec(
            name="capibara6.llm.finish_reason",
            type="string",
            brief="Why the model stopped.",
            bounded=True,
        ),
        LLM_INPUTS: AttributeSpec(
            name="capibara6.llm.inputs",
            type="int",
            brief="Texts in one embedding call.",
            minimum=0.0,
        ),
        LLM_RETRIES: AttributeSpec(
            name="capibara6.llm.retries",
            type="int",
            brief="Times the call was tried again.",
            minimum=0.0,
        ),
        LLM_RETRY_REASON: AttributeSpec(
            name="capibara6.llm.retry.reason",
            type="string",
            brief="Why a call was tried again; a short constant word or status code.",
            bounded=True,
        ),
        OPTIMIZATIONS_IMPROVEMENT: AttributeSpec(
            name="capibara6.optimizations.improvement",
            type="double",
            brief="Share that was saved, 0 nothing to 1 all; negative when it made things worse.",
            maximum=1.0,
        ),
        OPTIMIZATIONS_NAME: AttributeSpec(
            name="capibara6.optimizations.name",
            type="string",
            brief="The optimization by its configured name.",
            bounded=True,
        ),
        OUTCOME: AttributeSpec(
            name="capibara6.outcome",
            type="string",
            brief="How the operation ended.",
            members=("success", "error", "timeout", "cancelled", "disconnected", "abandoned", "rejected"),
            bounded=True,
        ),
        RAG_CHUNKS: AttributeSpec(
            name="capibara6.rag.chunks",
            type="int",
            brief="Chunks the documents were split into.",
            minimum=0.0,
        ),
        RAG_DOCUMENTS: AttributeSpec(
            name="capibara6.rag.documents",
            type="int",
            brief="Documents handed in.",
            minimum=0.0,
        ),
        RAG_HIT: AttributeSpec(
            name="capibara6.rag.hit",
            type="boolean",
            brief="Whether the search found anything.",
            bounded=True,
        ),
        RAG_INDEX: AttributeSpec(
            name="capibara6.rag.index",
            type="string",
            brief="The index (collection, data source) by its configured name.",
            bounded=True,
        ),
        RAG_QUERY: AttributeSpec(
            name="capibara6.rag.query",
            type="string",
            brief="The query text; recorded only where content capture is on.",
            content=True,
        ),
        RAG_RELEVANCE_BEST: AttributeSpec(
            name="capibara6.rag.relevance.best",
            type="double",
            brief="Relevance of the best result.",
            minimum=0.0,
            maximum=1.0,
        ),
        RAG_RESULTS: AttributeSpec(
            name="capibara6.rag.results",
            type="int",
            brief="Results found.",
            minimum=0.0,
        ),
        RAG_TOP_K: AttributeSpec(
            name="capibara6.rag.top_k",
            type="int",
            brief="Results asked for.",
            minimum=1.0,
        ),
        REQUEST_ID: AttributeSpec(
            name="capibara6.request.id",
            type="string",
            brief="The request's id, taken from `X-Request-ID` or made by the middleware.",
            context="request_id",
        ),
        ROUTING_ALTERNATIVES: AttributeSpec(
            name="capibara6.routing.alternatives",
            type="string[]",
            brief="The models that were considered and not chosen, best first.",
        ),
        ROUTING_COMPLEXITY: AttributeSpec(
            name="capibara6.routing.complexity",
            type="string",
            brief="How hard the router judged the query to be.",
            members=("low", "medium", "high"),
            bounded=True,
        ),
        ROUTING_CONFIDENCE: AttributeSpec(
            name="capibara6.routing.confidence",
            type="double",
            brief="How sure the router was of its choice.",
            minimum=0.0,
            maximum=1.0,
        ),
        ROUTING_FALLBACK_FROM: AttributeSpec(
            name="capibara6.routing.fallback.from",
            type="string",
            brief="The model that would have been chosen, had it been available.",
            bounded=True,
        ),
        ROUTING_FALLBACK_REASON: AttributeSpec(
            name="capibara6.routing.fallback.reason",
            type="string",
            brief="Why the first choice was not taken; a short constant word.",
            bounded=True,
        ),
        ROUTING_MODEL: AttributeSpec(
            name="capibara6.routing.model",
            type="string",
            brief="The model that was chosen.",
            bounded=True,
        ),
        ROUTING_QUERY_TYPE: AttributeSpec(
            name="capibara6.routing.query_type",
            type="string",
            brief="Kind of query, as the app names its kinds.",
            bounded=True,
        ),
        SYSTEM_DIRECTION: AttributeSpec(
            name="capibara6.system.direction",
            type="string",
            brief="Way the bytes went.",
            members=("receive", "transmit", "read", "write"),
            bounded=True,
        ),
        SYSTEM_MOUNTPOINT: AttributeSpec(
            name="capibara6.system.mountpoint",
            type="string",
            brief="Where the file system is mounted.",
            bounded=True,
        ),
        SYSTEM_WINDOW: AttributeSpec(
            name="capibara6.system.window",
            type="string",
            brief="Span of time the load is averaged over.",
            members=("1m", "5m", "15m"),
            bounded=True,
        ),
        TELEMETRY_ATTRIBUTE: AttributeSpec(
            name="capibara6.telemetry.attribute",
            type="string",
            brief="The attribute with the most values among that metric's series.",
            bounded=True,
        ),
        TELEMETRY_CALL: AttributeSpec(
            name="capibara6.telemetry.call",
            type="string",
            brief="The helper that was called with a value it cannot record.",
            bounded=True,
        ),
        TELEMETRY_DECISION: AttributeSpec(
            name="capibara6.telemetry.decision",
            type="string",
            brief="What tail sampling decided about a trace.",
            members=("error", "slow", "dear", "share", "dropped"),
            bounded=True,
        ),
        TELEMETRY_METRIC: AttributeSpec(
            name="capibara6.telemetry.metric",
            type="string",
            brief="A metric that has more series than its limit.",
            bounded=True,
        ),
        TELEMETRY_PLACE: AttributeSpec(
            name="capibara6.telemetry.place",
            type="string",
            brief="Part of the telemetry in which a fault was swallowed.",
            bounded=True,
        ),
        TELEMETRY_REASON: AttributeSpec(
            name="capibara6.telemetry.reason",
            type="string",
            brief="Why items were dropped.",
            members=("queue_full", "export_failed", "rejected", "unencodable", "spool_full", "shutdown"),
            bounded=True,
        ),
        TELEMETRY_SIGNAL: AttributeSpec(
            name="capibara6.telemetry.signal",
            type="string",
            brief="Which signal.",
            members=("traces", "metrics", "logs"),
            bounded=True,
        ),
        TENANT_ID: AttributeSpec(
            name="capibara6.tenant.id",
            type="string",
            brief="The customer or organisation that pays for the operation.",
            context="tenant",
        ),
        CLIENT_ADDRESS: AttributeSpec(
            name="client.address",
            type="string",
            brief="Address of the client as the server saw it.",
        ),
        CPYTHON_GC_GENERATION: AttributeSpec(
            name="cpython.gc.generation",
            type="int",
            brief="Generation of the garbage collector.",
            minimum=0.0,
            maximum=2.0,
            bounded=True,
        ),
        ERROR_TYPE: AttributeSpec(
            name="error.type",
            type="string",
            brief="Class of the failure; present only when the operation failed.",
            bounded=True,
        ),
        EXCEPTION_MESSAGE: AttributeSpec(
            name="exception.message",
            type="string",
            brief="The exception's message, redacted.",
        ),
        EXCEPTION_STACKTRACE: AttributeSpec(
            name="exception.stacktrace",
            type="string",
            brief="The exception's traceback, redacted.",
        ),
        EXCEPTION_TYPE: AttributeSpec(
            name="exception.type",
            type="string",
            brief="Class of the exception.",
            bounded=True,
        ),
        GEN_AI_AGENT_ID: AttributeSpec(
            name="gen_ai.agent.id",
            type="string",
            brief="The agent's id.",
        ),
        GEN_AI_AGENT_NAME: AttributeSpec(
            name="gen_ai.agent.name",
            type="string",
            brief="The agent's name.",
            context="agent",
        ),
        GEN_AI_CONVERSATION_ID: AttributeSpec(
            name="gen_ai.conversation.id",
            type="string",
            brief="The conversation the call belongs to; never invented.",
            context="conversation_id",
        ),
        GEN_AI_DATA_SOURCE_ID: AttributeSpec(
            name="gen_ai.data_source.id",
            type="string",
            brief="The data source that was searched.",
        ),
        GEN_AI_INPUT_MESSAGES: AttributeSpec(
            name="gen_ai.input.messages",
            type="string",
            brief="The messages sent, as JSON; recorded only where content capture is on.",
            content=True,
        ),
        GEN_AI_OPERATION_NAME: AttributeSpec(
            name="gen_ai.operation.name",
            type="string",
            brief="What the model, agent or tool was asked to do.",
            bounded=True,
        ),
        GEN_AI_OUTPUT_MESSAGES: AttributeSpec(
            name="gen_ai.output.messages",
            type="string",
            brief="The messages received, as JSON; recorded only where content capture is on.",
            content=True,
        ),
        GEN_AI_PROVIDER_NAME: AttributeSpec(
            name="gen_ai.provider.name",
            type="string",
            brief="Provider as the client knows it.",
            bounded=True,
        ),
        GEN_AI_REQUEST_MAX_TOKENS: AttributeSpec(
            name="gen_ai.request.max_tokens",
            type="int",
            brief="Most tokens the answer may have.",
            minimum=0.0,
        ),
        GEN_AI_REQUEST_MODEL: AttributeSpec(
            name="gen_ai.request.model",
            type="string",
            brief="Model that was asked for.",
            bounded=True,
        ),
        GEN_AI_REQUEST_STREAM: AttributeSpec(
            name="gen_ai.request.stream",
            type="boolean",
            brief="Whether the answer was streamed.",
            bounded=True,
        ),
        GEN_AI_REQUEST_TEMPERATURE: AttributeSpec(
            name="gen_ai.request.temperature",
            type="double",
            brief="Sampling temperature.",
            minimum=0.0,
        ),
        GEN_AI_RESPONSE_FINISH_REASONS: AttributeSpec(
            name="gen_ai.response.finish_reasons",
            type="string[]",
            brief="Why the model stopped, one for each choice.",
        ),
        GEN_AI_RESPONSE_ID: AttributeSpec(
            name="gen_ai.response.id",
            type="string",
            brief="Id of the answer.",
        ),
        GEN_AI_RESPONSE_MODEL: AttributeSpec(
            name="gen_ai.response.model",
            type="string",
            brief="Model that answered.",
            bounded=True,
        ),
        GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK: AttributeSpec(
            name="gen_ai.response.time_to_first_chunk",
            type="double",
            brief="Seconds until the first chunk.",
            minimum=0.0,
        ),
        GEN_AI_TOKEN_MODALITY: AttributeSpec(
            name="gen_ai.token.modality",
            type="string",
            brief="Kind of content the tokens stand for.",
            members=("text", "image", "audio", "unknown"),
            bounded=True,
        ),
        GEN_AI_TOKEN_TYPE: AttributeSpec(
            name="gen_ai.token.type",
            type="string",
            brief="Input or output tokens (legacy metric only).",
            members=("input", "output"),
            bounded=True,
        ),
        GEN_AI_TOOL_NAME: AttributeSpec(
            name="gen_ai.tool.name",
            type="string",
            brief="The tool's name.",
            bounded=True,
        ),
        GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: AttributeSpec(
            name="gen_ai.usage.cache_read.input_tokens",
            type="int",
            brief="Input tokens that were read from the provider's cache.",
            minimum=0.0,
        ),
        GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS: AttributeSpec(
            name="gen_ai.usage.cache_write.input_tokens",
            type="int",
            brief="Input tokens that were written to the provider's cache.",
            minimum=0.0,
        ),
        GEN_AI_USAGE_INPUT_TOKENS: AttributeSpec(
            name="gen_ai.usage.input_tokens",
            type="int",
            brief="Input tokens, those read from a cache included.",
            minimum=0.0,
        ),
        GEN_AI_USAGE_OUTPUT_TOKENS: AttributeSpec(
            name="gen_ai.usage.output_tokens",
            type="int",
            brief="Output tokens, those spent on reasoning included.",
            minimum=0.0,
        ),
        GEN_AI_USAGE_REASONING_OUTPUT_TOKENS: AttributeSpec(
            name="gen_ai.usage.reasoning.output_tokens",
            type="int",
            brief="Output tokens spent on reasoning.",
            minimum=0.0,
        ),
        HTTP_REQUEST_BODY_SIZE: AttributeSpec(
            name="http.request.body.size",
            type="int",
            brief="Bytes of the request body that the app read.",
            minimum=0.0,
        ),
        HTTP_REQUEST_HEADER: AttributeSpec(
            name="http.request.header",
            type="string[]",
            brief="A request header the operator asked for, redacted.",
            template=True,
        ),
        HTTP_REQUEST_METHOD: AttributeSpec(
            name="http.request.method",
            type="string",
            brief="Request method, upper case; unknown ones are `_OTHER`.",
            bounded=True,
        ),
        HTTP_REQUEST_METHOD_ORIGINAL: AttributeSpec(
            name="http.request.method_original",
            type="string",
            brief="The method as the client sent it, when it is not a known one.",
        ),
        HTTP_RESPONSE_BODY_SIZE: AttributeSpec(
            name="http.response.body.size",
            type="int",
            brief="Bytes of the response body that were sent.",
            minimum=0.0,
        ),
        HTTP_RESPONSE_HEADER: AttributeSpec(
            name="http.response.header",
            type="string[]",
            brief="A response header the operator asked for, redacted.",
            template=True,
        ),
        HTTP_RESPONSE_STATUS_CODE: AttributeSpec(
            name="http.response.status_code",
            type="int",
            brief="Response status.",
            minimum=100.0,
            maximum=599.0,
            bounded=True,
        ),
        HTTP_ROUTE: AttributeSpec(
            name="http.route",
            type="string",
            brief="The matched route's template; absent when no route matched.",
            bounded=True,
        ),
        NETWORK_PROTOCOL_NAME: AttributeSpec(
            name="network.protocol.name",
            type="string",
            brief="Application protocol when it is not HTTP.",
            bounded=True,
        ),
        NETWORK_PROTOCOL_VERSION: AttributeSpec(
            name="network.protocol.version",
            type="string",
            brief="Version of the protocol.",
            bounded=True,
        ),
        SERVER_ADDRESS: AttributeSpec(
            name="server.address",
            type="string",
            brief="Host the request was sent to, or the host called.",
        ),
        SERVER_PORT: AttributeSpec(
            name="server.port",
            type="int",
            brief="Port the request was sent to, or the port called.",
            minimum=0.0,
            maximum=65535.0,
        ),
        SESSION_ID: AttributeSpec(
            name="session.id",
            type="string",
            brief="The user's session.",
            context="session_id",
        ),
        URL_PATH: AttributeSpec(
            name="url.path",
            type="string",
            brief="The path as requested.",
        ),
        URL_QUERY: AttributeSpec(
            name="url.query",
            type="string",
            brief="The query string, secrets redacted.",
        ),
        URL_SCHEME: AttributeSpec(
            name="url.scheme",
            type="string",
            brief="Protocol of the request.",
            bounded=True,
        ),
        USER_ID: AttributeSpec(
            name="user.id",
            type="string",
            brief="The user on whose behalf the operation runs.",
            context="user_id",
        ),
        USER_AGENT_ORIGINAL: AttributeSpec(
            name="user_agent.original",
            type="string",
            brief="The client's User-Agent header.",
        ),
    }
)
"""Every attribute by its name."""
