"""Spans. DO NOT EDIT. Written by `make gen` from capibara_otel/registry/*.yaml."""

from __future__ import annotations

from typing import Final

from capibara_otel.semconv import attributes as a
from capibara_otel.semconv import metrics as m
from capibara_otel.semconv.specs import SpanSpec

ACE_CYCLE: Final = SpanSpec(
    type="capibara6.ace.cycle",
    action="ace cycle",
    kind="internal",
    brief="One run of an ACE component.",
    subsystem="ace",
    target=a.ACE_COMPONENT,
    attributes=(a.ACE_COMPONENT, a.ACE_AWARENESS, a.ACE_TOKENS_BEFORE, a.ACE_TOKENS_AFTER),
    duration=m.ACE_CYCLE_DURATION,
    count=m.ACE_CYCLES,
)

AGENTS_GRADUATE: Final = SpanSpec(
    type="capibara6.agents.graduate",
    action="agents graduate",
    kind="internal",
    brief="The check that lets an agent graduate.",
    subsystem="agents",
    target=a.AGENTS_DOMAIN,
    attributes=(a.AGENTS_DOMAIN, a.GEN_AI_AGENT_ID, a.AGENTS_SCORE),
    duration=m.AGENTS_GRADUATION_DURATION,
    count=m.AGENTS_GRADUATIONS,
)

AGENTS_INTERACTION: Final = SpanSpec(
    type="capibara6.agents.interaction",
    action="agents interaction",
    kind="internal",
    brief="One task given to an agent.",
    subsystem="agents",
    target=a.AGENTS_DOMAIN,
    attributes=(a.AGENTS_DOMAIN, a.GEN_AI_OPERATION_NAME, a.GEN_AI_AGENT_ID, a.GEN_AI_AGENT_NAME, a.AGENTS_STEPS),
    duration=m.AGENTS_TASK_DURATION,
    count=m.AGENTS_INTERACTIONS,
)

AGENTS_MEMORY: Final = SpanSpec(
    type="capibara6.agents.memory",
    action="agents memory",
    kind="internal",
    brief="One operation on an agent's memory.",
    subsystem="agents",
    target=a.AGENTS_MEMORY_OPERATION,
    attributes=(a.AGENTS_DOMAIN, a.AGENTS_MEMORY_OPERATION, a.AGENTS_MEMORY_ITEMS, a.GEN_AI_AGENT_ID),
    duration=m.AGENTS_MEMORY_DURATION,
    count=m.AGENTS_MEMORY_OPERATIONS,
)

API_BACKGROUND: Final = SpanSpec(
    type="capibara6.api.background",
    action="background",
    kind="internal",
    brief="Work that goes on after the response was sent.",
    subsystem="api",
    target=a.HTTP_ROUTE,
    attributes=(a.HTTP_ROUTE,),
    duration=m.API_BACKGROUND_DURATION,
)

API_REQUEST: Final = SpanSpec(
    type="capibara6.api.request",
    action="",
    kind="server",
    brief="One HTTP request, first byte in to last byte out.",
    subsystem="api",
    target=a.HTTP_ROUTE,
    attributes=(a.HTTP_REQUEST_METHOD, a.URL_PATH, a.URL_SCHEME, a.URL_QUERY, a.SERVER_ADDRESS, a.SERVER_PORT, a.CLIENT_ADDRESS, a.NETWORK_PROTOCOL_VERSION, a.USER_AGENT_ORIGINAL, a.HTTP_REQUEST_METHOD_ORIGINAL, a.HTTP_ROUTE, a.HTTP_RESPONSE_STATUS_CODE, a.HTTP_REQUEST_HEADER, a.HTTP_RESPONSE_HEADER, a.HTTP_REQUEST_BODY_SIZE, a.HTTP_RESPONSE_BODY_SIZE, a.API_CHUNKS),
    duration=m.API_REQUEST_DURATION,
    count=m.API_REQUESTS,
    active=m.API_REQUESTS_ACTIVE,
)

API_WEBSOCKET: Final = SpanSpec(
    type="capibara6.api.websocket",
    action="WS",
    kind="server",
    brief="One WebSocket connection, handshake to close.",
    subsystem="api",
    target=a.HTTP_ROUTE,
    attributes=(a.URL_PATH, a.URL_SCHEME, a.URL_QUERY, a.SERVER_ADDRESS, a.SERVER_PORT, a.CLIENT_ADDRESS, a.NETWORK_PROTOCOL_NAME, a.USER_AGENT_ORIGINAL, a.HTTP_ROUTE, a.HTTP_RESPONSE_STATUS_CODE, a.HTTP_REQUEST_HEADER),
    duration=m.API_WEBSOCKET_DURATION,
    active=m.API_WEBSOCKET_CONNECTIONS_ACTIVE,
)

BUSINESS_QUERY: Final = SpanSpec(
    type="capibara6.business.query",
    action="business query",
    kind="internal",
    brief="One query as the user sees it, from question to answer.",
    subsystem="business",
    target=a.BUSINESS_QUERY_TYPE,
    attributes=(a.BUSINESS_QUERY_TYPE, a.BUSINESS_TIER, a.BUSINESS_SATISFACTION),
    duration=m.BUSINESS_QUERY_DURATION,
    count=m.BUSINESS_QUERIES,
)

E2B_EXECUTE: Final = SpanSpec(
    type="capibara6.e2b.execute",
    action="e2b execute",
    kind="client",
    brief="One piece of code run in a sandbox.",
    subsystem="e2b",
    target=a.E2B_LANGUAGE,
    attributes=(a.E2B_LANGUAGE, a.E2B_TEMPLATE, a.E2B_SANDBOX_ID, a.E2B_TIMEOUT, a.E2B_EXIT_CODE, a.GEN_AI_OPERATION_NAME, a.GEN_AI_TOOL_NAME),
    duration=m.E2B_EXECUTION_DURATION,
    count=m.E2B_EXECUTIONS,
)

E2B_SANDBOX: Final = SpanSpec(
    type="capibara6.e2b.sandbox",
    action="e2b sandbox",
    kind="client",
    brief="The life of one sandbox.",
    subsystem="e2b",
    target=a.E2B_TEMPLATE,
    attributes=(a.E2B_TEMPLATE, a.E2B_SANDBOX_ID),
    duration=m.E2B_SANDBOX_DURATION,
    active=m.E2B_SANDBOXES_ACTIVE,
)

GEN_AI_CLIENT_EMBEDDINGS: Final = SpanSpec(
    type="gen_ai.client.embeddings",
    action="embeddings",
    kind="client",
    brief="One call to an embedding model.",
    subsystem="llm",
    target=a.GEN_AI_REQUEST_MODEL,
    attributes=(a.GEN_AI_OPERATION_NAME, a.GEN_AI_PROVIDER_NAME, a.GEN_AI_REQUEST_MODEL, a.SERVER_ADDRESS, a.SERVER_PORT, a.GEN_AI_RESPONSE_MODEL, a.GEN_AI_USAGE_INPUT_TOKENS, a.LLM_INPUTS, a.LLM_RETRIES),
    duration=m.GEN_AI_CLIENT_OPERATION_DURATION,
    count=m.LLM_CALLS,
    active=m.LLM_CALLS_ACTIVE,
    helper="llm.embed",
)

GEN_AI_CLIENT_INFERENCE: Final = SpanSpec(
    type="gen_ai.client.inference",
    action="chat",
    kind="client",
    brief="One call to a chat model.",
    subsystem="llm",
    target=a.GEN_AI_REQUEST_MODEL,
    attributes=(a.GEN_AI_OPERATION_NAME, a.GEN_AI_PROVIDER_NAME, a.GEN_AI_REQUEST_MODEL, a.SERVER_ADDRESS, a.SERVER_PORT, a.GEN_AI_REQUEST_STREAM, a.GEN_AI_REQUEST_MAX_TOKENS, a.GEN_AI_REQUEST_TEMPERATURE, a.GEN_AI_RESPONSE_ID, a.GEN_AI_RESPONSE_MODEL, a.GEN_AI_RESPONSE_FINISH_REASONS, a.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK, a.GEN_AI_USAGE_INPUT_TOKENS, a.GEN_AI_USAGE_OUTPUT_TOKENS, a.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS, a.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS, a.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS, a.GEN_AI_INPUT_MESSAGES, a.GEN_AI_OUTPUT_MESSAGES, a.LLM_CHUNKS, a.LLM_RETRIES),
    duration=m.GEN_AI_CLIENT_INFERENCE_DURATION,
    count=m.LLM_CALLS,
    active=m.LLM_CALLS_ACTIVE,
    helper="llm.chat",
)

OPTIMIZATIONS_APPLY: Final = SpanSpec(
    type="capibara6.optimizations.apply",
    action="optimization apply",
    kind="internal",
    brief="One optimization being applied.",
    subsystem="optimizations",
    target=a.OPTIMIZATIONS_NAME,
    attributes=(a.OPTIMIZATIONS_NAME, a.OPTIMIZATIONS_IMPROVEMENT),
    duration=m.OPTIMIZATIONS_DURATION,
    count=m.OPTIMIZATIONS_OPERATIONS,
)

OPTIMIZATIONS_BATCH: Final = SpanSpec(
    type="capibara6.optimizations.batch",
    action="batch process",
    kind="internal",
    brief="One batch being processed.",
    subsystem="optimizations",
    target=a.BATCH_NAME,
    attributes=(a.BATCH_NAME, a.BATCH_SIZE),
    duration=m.BATCH_PROCESSING_DURATION,
)

OPTIMIZATIONS_CACHE: Final = SpanSpec(
    type="capibara6.optimizations.cache",
    action="cache lookup",
    kind="internal",
    brief="One look-up in a cache.",
    subsystem="optimizations",
    target=a.CACHE_NAME,
    attributes=(a.CACHE_NAME, a.CACHE_RESULT),
    duration=m.CACHE_LOOKUP_DURATION,
    count=m.CACHE_REQUESTS,
)

RAG_INGEST: Final = SpanSpec(
    type="capibara6.rag.ingest",
    action="rag ingest",
    kind="internal",
    brief="One ingestion of documents into an index.",
    subsystem="rag",
    target=a.RAG_INDEX,
    attributes=(a.RAG_INDEX, a.RAG_DOCUMENTS, a.RAG_CHUNKS),
    duration=m.RAG_INGEST_DURATION,
)

RAG_SEARCH: Final = SpanSpec(
    type="capibara6.rag.search",
    action="rag search",
    kind="internal",
    brief="One search in an index.",
    subsystem="rag",
    target=a.RAG_INDEX,
    attributes=(a.RAG_INDEX, a.RAG_TOP_K, a.RAG_RESULTS, a.RAG_HIT, a.RAG_RELEVANCE_BEST, a.RAG_QUERY, a.GEN_AI_OPERATION_NAME, a.GEN_AI_DATA_SOURCE_ID),
    duration=m.RAG_SEARCH_DURATION,
    count=m.RAG_SEARCHES,
)

ROUTING_DECIDE: Final = SpanSpec(
    type="capibara6.routing.decide",
    action="routing decide",
    kind="internal",
    brief="One choice of a model for a query.",
    subsystem="routing",
    target=a.ROUTING_QUERY_TYPE,
    attributes=(a.ROUTING_QUERY_TYPE, a.ROUTING_MODEL, a.ROUTING_COMPLEXITY, a.ROUTING_CONFIDENCE, a.ROUTING_ALTERNATIVES, a.ROUTING_FALLBACK_FROM, a.ROUTING_FALLBACK_REASON),
    duration=m.ROUTING_DECISION_DURATION,
    count=m.ROUTING_DECISIONS,
)

SPANS: Final[tuple[SpanSpec, ...]] = (
    ACE_CYCLE,
    AGENTS_GRADUATE,
    AGENTS_INTERACTION,
    AGENTS_MEMORY,
    API_BACKGROUND,
    API_REQUEST,
    API_WEBSOCKET,
    BUSINESS_QUERY,
    E2B_EXECUTE,
    E2B_SANDBOX,
    GEN_AI_CLIENT_EMBEDDINGS,
    GEN_AI_CLIENT_INFERENCE,
    OPTIMIZATIONS_APPLY,
    OPTIMIZATIONS_BATCH,
    OPTIMIZATIONS_CACHE,
    RAG_INGEST,
    RAG_SEARCH,
    ROUTING_DECIDE,
)
"""Every span, ordered by type."""
