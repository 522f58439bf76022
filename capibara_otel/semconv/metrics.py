"""Metrics. DO NOT EDIT. Written by `make gen` from capibara_otel/registry/*.yaml."""

from __future__ import annotations

from typing import Final

from capibara_otel.semconv import attributes as a
from capibara_otel.semconv.specs import MetricSpec

ACE_AWARENESS: Final = MetricSpec(
    name="capibara6.ace.awareness",
    instrument="histogram",
    unit="1",
    brief="Awareness scores, 0 to 1.",
    subsystem="ace",
    attributes=(a.ACE_COMPONENT,),
    buckets=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0),
    maximum=1.0,
)

ACE_CYCLES: Final = MetricSpec(
    name="capibara6.ace.cycles",
    instrument="counter",
    unit="{cycle}",
    brief="ACE cycles by component and outcome.",
    subsystem="ace",
    attributes=(a.ACE_COMPONENT, a.OUTCOME, a.ERROR_TYPE),
)

ACE_CYCLE_DURATION: Final = MetricSpec(
    name="capibara6.ace.cycle.duration",
    instrument="histogram",
    unit="s",
    brief="Time of one ACE cycle.",
    subsystem="ace",
    attributes=(a.ACE_COMPONENT, a.ERROR_TYPE),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)

ACE_PLAYBOOK_CHANGES: Final = MetricSpec(
    name="capibara6.ace.playbook.changes",
    instrument="counter",
    unit="{change}",
    brief="Entries added to, updated in and removed from the playbook.",
    subsystem="ace",
    attributes=(a.ACE_CHANGE,),
)

ACE_PLAYBOOK_ENTRIES: Final = MetricSpec(
    name="capibara6.ace.playbook.entries",
    instrument="gauge",
    unit="{entry}",
    brief="Entries in the playbook.",
    subsystem="ace",
)

ACE_TOKENS_AFTER: Final = MetricSpec(
    name="capibara6.ace.tokens.after",
    instrument="histogram",
    unit="{token}",
    brief="Tokens of context that came out of the component.",
    subsystem="ace",
    attributes=(a.ACE_COMPONENT,),
    buckets=(1.0, 16.0, 64.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16384.0, 32768.0, 65536.0, 131072.0),
)

ACE_TOKENS_BEFORE: Final = MetricSpec(
    name="capibara6.ace.tokens.before",
    instrument="histogram",
    unit="{token}",
    brief="Tokens of context that went into the component.",
    subsystem="ace",
    attributes=(a.ACE_COMPONENT,),
    buckets=(1.0, 16.0, 64.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16384.0, 32768.0, 65536.0, 131072.0),
)

AGENTS_ACTIVE: Final = MetricSpec(
    name="capibara6.agents.active",
    instrument="gauge",
    unit="{agent}",
    brief="Agents alive, by domain.",
    subsystem="agents",
    attributes=(a.AGENTS_DOMAIN,),
    processes="sum",
)

AGENTS_GRADUATIONS: Final = MetricSpec(
    name="capibara6.agents.graduations",
    instrument="counter",
    unit="{agent}",
    brief="Agents that graduated, or failed to.",
    subsystem="agents",
    attributes=(a.AGENTS_DOMAIN, a.OUTCOME, a.ERROR_TYPE),
)

AGENTS_GRADUATION_DURATION: Final = MetricSpec(
    name="capibara6.agents.graduation.duration",
    instrument="histogram",
    unit="s",
    brief="Time of a graduation check.",
    subsystem="agents",
    attributes=(a.AGENTS_DOMAIN, a.ERROR_TYPE),
    buckets=(0.0001, 0.001, 0.01, 0.1, 1.0, 10.0, 60.0),
)

AGENTS_INTERACTIONS: Final = MetricSpec(
    name="capibara6.agents.interactions",
    instrument="counter",
    unit="{interaction}",
    brief="Tasks given to agents, by domain and outcome.",
    subsystem="agents",
    attributes=(a.AGENTS_DOMAIN, a.OUTCOME, a.ERROR_TYPE),
)

AGENTS_MEMORY_DURATION: Final = MetricSpec(
    name="capibara6.agents.memory.duration",
    instrument="histogram",
    unit="s",
    brief="Time of a memory operation.",
    subsystem="agents",
    attributes=(a.AGENTS_DOMAIN, a.AGENTS_MEMORY_OPERATION, a.ERROR_TYPE),
    buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0),
)

AGENTS_MEMORY_ENTRIES: Final = MetricSpec(
    name="capibara6.agents.memory.entries",
    instrument="histogram",
    unit="{entry}",
    brief="Entries in an agent's memory after an interaction.",
    subsystem="agents",
    attributes=(a.AGENTS_DOMAIN,),
    buckets=(0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0),
)

AGENTS_MEMORY_OPERATIONS: Final = MetricSpec(
    name="capibara6.agents.memory.operations",
    instrument="counter",
    unit="{operation}",
    brief="Reads, writes and deletions of agents' memories.",
    subsystem="agents",
    attributes=(a.AGENTS_DOMAIN, a.AGENTS_MEMORY_OPERATION, a.OUTCOME, a.ERROR_TYPE),
)

AGENTS_MEMORY_SIZE: Final = MetricSpec(
    name="capibara6.agents.memory.size",
    instrument="histogram",
    unit="By",
    brief="Memory per agent after an interaction.",
    subsystem="agents",
    attributes=(a.AGENTS_DOMAIN,),
    buckets=(0.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0, 4194304.0, 16777216.0),
)

AGENTS_STEPS: Final = MetricSpec(
    name="capibara6.agents.steps",
    instrument="histogram",
    unit="{step}",
    brief="Steps per task; many steps mean a loop.",
    subsystem="agents",
    attributes=(a.AGENTS_DOMAIN,),
    buckets=(1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0),
)

AGENTS_TASK_DURATION: Final = MetricSpec(
    name="capibara6.agents.task.duration",
    instrument="histogram",
    unit="s",
    brief="Time an agent took for a task.",
    subsystem="agents",
    attributes=(a.AGENTS_DOMAIN, a.ERROR_TYPE),
    buckets=(0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4, 204.8, 409.6),
)

API_BACKGROUND_DURATION: Final = MetricSpec(
    name="capibara6.api.background.duration",
    instrument="histogram",
    unit="s",
    brief="Time of work that went on after the response was sent.",
    subsystem="api",
    attributes=(a.HTTP_ROUTE, a.OUTCOME, a.ERROR_TYPE),
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0),
)

API_DISCONNECTS: Final = MetricSpec(
    name="capibara6.api.disconnects",
    instrument="counter",
    unit="{request}",
    brief="Requests whose client went away before the last byte.",
    subsystem="api",
    attributes=(a.HTTP_REQUEST_METHOD, a.HTTP_ROUTE),
)

API_EXCEPTIONS: Final = MetricSpec(
    name="capibara6.api.exceptions",
    instrument="counter",
    unit="{exception}",
    brief="Exceptions that left a route, by class.",
    subsystem="api",
    attributes=(a.HTTP_ROUTE, a.EXCEPTION_TYPE),
)

API_REQUESTS: Final = MetricSpec(
    name="capibara6.api.requests",
    instrument="counter",
    unit="{request}",
    brief="HTTP requests that ended, by route, status and outcome.",
    subsystem="api",
    attributes=(a.HTTP_REQUEST_METHOD, a.HTTP_ROUTE, a.HTTP_RESPONSE_STATUS_CODE, a.OUTCOME, a.ERROR_TYPE),
)

API_REQUESTS_ACTIVE: Final = MetricSpec(
    name="capibara6.api.requests.active",
    instrument="updowncounter",
    unit="{request}",
    brief="HTTP requests being served now.",
    subsystem="api",
    attributes=(a.HTTP_REQUEST_METHOD,),
)

API_REQUEST_BODY_SIZE: Final = MetricSpec(
    name="capibara6.api.request.body.size",
    instrument="histogram",
    unit="By",
    brief="Size of request bodies as read by the app.",
    subsystem="api",
    attributes=(a.HTTP_REQUEST_METHOD, a.HTTP_ROUTE),
    buckets=(0.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0, 4194304.0, 16777216.0, 67108864.0),
)

API_REQUEST_DURATION: Final = MetricSpec(
    name="capibara6.api.request.duration",
    instrument="histogram",
    unit="s",
    brief="Time from the request's first byte in to the response's last byte out; background tasks are apart.",
    subsystem="api",
    attributes=(a.HTTP_REQUEST_METHOD, a.HTTP_ROUTE, a.HTTP_RESPONSE_STATUS_CODE, a.OUTCOME, a.ERROR_TYPE),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0),
)

API_RESPONSE_BODY_SIZE: Final = MetricSpec(
    name="capibara6.api.response.body.size",
    instrument="histogram",
    unit="By",
    brief="Size of response bodies as sent.",
    subsystem="api",
    attributes=(a.HTTP_REQUEST_METHOD, a.HTTP_ROUTE),
    buckets=(0.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0, 4194304.0, 16777216.0, 67108864.0),
)

API_RESPONSE_FIRST_BYTE_DURATION: Final = MetricSpec(
    name="capibara6.api.response.first_byte.duration",
    instrument="histogram",
    unit="s",
    brief="Time until the response began.",
    subsystem="api",
    attributes=(a.HTTP_REQUEST_METHOD, a.HTTP_ROUTE),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0),
)

API_WEBSOCKET_CONNECTIONS_ACTIVE: Final = MetricSpec(
    name="capibara6.api.websocket.connections.active",
    instrument="updowncounter",
    unit="{connection}",
    brief="WebSocket connections open now.",
    subsystem="api",
)

API_WEBSOCKET_DURATION: Final = MetricSpec(
    name="capibara6.api.websocket.duration",
    instrument="histogram",
    unit="s",
    brief="Time a WebSocket connection was open.",
    subsystem="api",
    attributes=(a.HTTP_ROUTE, a.OUTCOME, a.ERROR_TYPE),
    buckets=(0.01, 0.1, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 14400.0),
)

API_WEBSOCKET_MESSAGES: Final = MetricSpec(
    name="capibara6.api.websocket.messages",
    instrument="counter",
    unit="{message}",
    brief="WebSocket messages by direction.",
    subsystem="api",
    attributes=(a.HTTP_ROUTE, a.API_DIRECTION),
)

BATCH_PROCESSING_DURATION: Final = MetricSpec(
    name="capibara6.batch.processing.duration",
    instrument="histogram",
    unit="s",
    brief="Time to process a batch.",
    subsystem="optimizations",
    attributes=(a.BATCH_NAME, a.OUTCOME, a.ERROR_TYPE),
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)

BATCH_SIZE: Final = MetricSpec(
    name="capibara6.batch.size",
    instrument="histogram",
    unit="{item}",
    brief="Items per batch.",
    subsystem="optimizations",
    attributes=(a.BATCH_NAME,),
    buckets=(1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0),
)

BATCH_WAIT_DURATION: Final = MetricSpec(
    name="capibara6.batch.wait.duration",
    instrument="histogram",
    unit="s",
    brief="Time an item waited for its batch.",
    subsystem="optimizations",
    attributes=(a.BATCH_NAME,),
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)

BUSINESS_KPI: Final = MetricSpec(
    name="capibara6.business.kpi",
    instrument="gauge",
    unit="{value}",
    brief="Key performance indicators, last value by name.",
    subsystem="business",
    attributes=(a.BUSINESS_KPI,),
    minimum=None,
)

BUSINESS_QUERIES: Final = MetricSpec(
    name="capibara6.business.queries",
    instrument="counter",
    unit="{query}",
    brief="Queries by kind, tier and outcome.",
    subsystem="business",
    attributes=(a.BUSINESS_QUERY_TYPE, a.BUSINESS_TIER, a.OUTCOME, a.ERROR_TYPE),
)

BUSINESS_QUERY_DURATION: Final = MetricSpec(
    name="capibara6.business.query.duration",
    instrument="histogram",
    unit="s",
    brief="Time until a user had the answer, by kind and tier.",
    subsystem="business",
    attributes=(a.BUSINESS_QUERY_TYPE, a.BUSINESS_TIER, a.ERROR_TYPE),
    buckets=(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0),
)

BUSINESS_SATISFACTION: Final = MetricSpec(
    name="capibara6.business.satisfaction",
    instrument="histogram",
    unit="{score}",
    brief="Scores users gave, 1 worst to 5 best.",
    subsystem="business",
    attributes=(a.BUSINESS_QUERY_TYPE, a.BUSINESS_TIER),
    buckets=(1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0),
    minimum=1.0,
    maximum=5.0,
)

BUSINESS_USERS_ACTIVE: Final = MetricSpec(
    name="capibara6.business.users.active",
    instrument="gauge",
    unit="{user}",
    brief="Users active now, by tier.",
    subsystem="business",
    attributes=(a.BUSINESS_TIER,),
)

CACHE_ENTRIES: Final = MetricSpec(
    name="capibara6.cache.entries",
    instrument="gauge",
    unit="{entry}",
    brief="Entries in the cache.",
    subsystem="optimizations",
    attributes=(a.CACHE_NAME,),
    processes="sum",
)

CACHE_EVICTIONS: Final = MetricSpec(
    name="capibara6.cache.evictions",
    instrument="counter",
    unit="{entry}",
    brief="Entries pushed out of the cache.",
    subsystem="optimizations",
    attributes=(a.CACHE_NAME,),
)

CACHE_HIT_RATE: Final = MetricSpec(
    name="capibara6.cache.hit.rate",
    instrument="gauge",
    unit="{ratio}",
    brief="Share of hits since the process started, 0 to 1.",
    subsystem="optimizations",
    attributes=(a.CACHE_NAME,),
    maximum=1.0,
)

CACHE_LOOKUP_DURATION: Final = MetricSpec(
    name="capibara6.cache.lookup.duration",
    instrument="histogram",
    unit="s",
    brief="Time of a cache look-up.",
    subsystem="optimizations",
    attributes=(a.CACHE_NAME, a.ERROR_TYPE),
    buckets=(1e-05, 5e-05, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0),
)

CACHE_REQUESTS: Final = MetricSpec(
    name="capibara6.cache.requests",
    instrument="counter",
    unit="{request}",
    brief="Cache look-ups by result.",
    subsystem="optimizations",
    attributes=(a.CACHE_NAME, a.CACHE_RESULT, a.OUTCOME, a.ERROR_TYPE),
)

E2B_EXECUTIONS: Final = MetricSpec(
    name="capibara6.e2b.executions",
    instrument="counter",
    unit="{execution}",
    brief="Code executions by language and outcome.",
    subsystem="e2b",
    attributes=(a.E2B_LANGUAGE, a.OUTCOME, a.ERROR_TYPE),
)

E2B_EXECUTION_CPU_TIME: Final = MetricSpec(
    name="capibara6.e2b.execution.cpu.time",
    instrument="histogram",
    unit="s",
    brief="Processor time an execution used.",
    subsystem="e2b",
    attributes=(a.E2B_LANGUAGE,),
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0),
)

E2B_EXECUTION_DURATION: Final = MetricSpec(
    name="capibara6.e2b.execution.duration",
    instrument="histogram",
    unit="s",
    brief="Time of an execution, from submission to exit.",
    subsystem="e2b",
    attributes=(a.E2B_LANGUAGE, a.OUTCOME, a.ERROR_TYPE),
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0),
)

E2B_EXECUTION_MEMORY_PEAK: Final = MetricSpec(
    name="capibara6.e2b.execution.memory.peak",
    instrument="histogram",
    unit="By",
    brief="Most memory an execution held.",
    subsystem="e2b",
    attributes=(a.E2B_LANGUAGE,),
    buckets=(4194304.0, 8388608.0, 16777216.0, 33554432.0, 67108864.0, 134217728.0, 268435456.0, 536870912.0, 1073741824.0, 4294967296.0),
)

E2B_EXITS: Final = MetricSpec(
    name="capibara6.e2b.exits",
    instrument="counter",
    unit="{execution}",
    brief="Executions by exit code.",
    subsystem="e2b",
    attributes=(a.E2B_LANGUAGE, a.E2B_EXIT_CODE),
)

E2B_QUEUE_DURATION: Final = MetricSpec(
    name="capibara6.e2b.queue.duration",
    instrument="histogram",
    unit="s",
    brief="Time an execution waited for a free sandbox.",
    subsystem="e2b",
    attributes=(a.E2B_TEMPLATE,),
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0),
)

E2B_QUEUE_SIZE: Final = MetricSpec(
    name="capibara6.e2b.queue.size",
    instrument="gauge",
    unit="{execution}",
    brief="Executions waiting for a sandbox now.",
    subsystem="e2b",
    attributes=(a.E2B_TEMPLATE,),
    processes="sum",
)

E2B_SANDBOXES_ACTIVE: Final = MetricSpec(
    name="capibara6.e2b.sandboxes.active",
    instrument="updowncounter",
    unit="{sandbox}",
    brief="Sandboxes alive now.",
    subsystem="e2b",
    attributes=(a.E2B_TEMPLATE,),
)

E2B_SANDBOX_DURATION: Final = MetricSpec(
    name="capibara6.e2b.sandbox.duration",
    instrument="histogram",
    unit="s",
    brief="Life of a sandbox, which is what is billed.",
    subsystem="e2b",
    attributes=(a.E2B_TEMPLATE, a.ERROR_TYPE),
    buckets=(0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 86400.0),
)

E2B_SANDBOX_STARTUP_DURATION: Final = MetricSpec(
    name="capibara6.e2b.sandbox.startup.duration",
    instrument="histogram",
    unit="s",
    brief="Time until a sandbox was ready.",
    subsystem="e2b",
    attributes=(a.E2B_TEMPLATE,),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)

E2B_TIMEOUTS: Final = MetricSpec(
    name="capibara6.e2b.timeouts",
    instrument="counter",
    unit="{execution}",
    brief="Executions ended by their time limit.",
    subsystem="e2b",
    attributes=(a.E2B_LANGUAGE,),
)

EVENT_LOOP_LAG: Final = MetricSpec(
    name="capibara6.event_loop.lag",
    instrument="histogram",
    unit="s",
    brief="How late the event loop ran what was due; a blocked loop shows here.",
    subsystem="system",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)

GC_COLLECTIONS: Final = MetricSpec(
    name="capibara6.gc.collections",
    instrument="counter",
    unit="{collection}",
    brief="Garbage collections, by generation.",
    subsystem="system",
    attributes=(a.CPYTHON_GC_GENERATION,),
)

GC_DURATION: Final = MetricSpec(
    name="capibara6.gc.duration",
    instrument="histogram",
    unit="s",
    brief="Time the process stood still for a garbage collection.",
    subsystem="system",
    attributes=(a.CPYTHON_GC_GENERATION,),
    buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0),
)

GC_OBJECTS_COLLECTED: Final = MetricSpec(
    name="capibara6.gc.objects.collected",
    instrument="counter",
    unit="{object}",
    brief="Objects the garbage collector freed, by generation.",
    subsystem="system",
    attributes=(a.CPYTHON_GC_GENERATION,),
)

GEN_AI_CLIENT_INFERENCE_DURATION: Final = MetricSpec(
    name="gen_ai.client.inference.duration",
    instrument="histogram",
    unit="s",
    brief="Time of a model call.",
    subsystem="llm",
    attributes=(a.GEN_AI_OPERATION_NAME, a.GEN_AI_PROVIDER_NAME, a.GEN_AI_REQUEST_MODEL, a.GEN_AI_RESPONSE_MODEL, a.ERROR_TYPE),
    buckets=(0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92),
)

GEN_AI_CLIENT_INFERENCE_OPERATION_INPUT_TOKENS: Final = MetricSpec(
    name="gen_ai.client.inference.operation.input_tokens",
    instrument="histogram",
    unit="{token}",
    brief="Input tokens per call.",
    subsystem="llm",
    attributes=(a.GEN_AI_OPERATION_NAME, a.GEN_AI_PROVIDER_NAME, a.GEN_AI_REQUEST_MODEL, a.GEN_AI_RESPONSE_MODEL),
    buckets=(1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0, 4194304.0, 16777216.0, 67108864.0),
)

GEN_AI_CLIENT_INFERENCE_OPERATION_OUTPUT_TOKENS: Final = MetricSpec(
    name="gen_ai.client.inference.operation.output_tokens",
    instrument="histogram",
    unit="{token}",
    brief="Output tokens per call.",
    subsystem="llm",
    attributes=(a.GEN_AI_OPERATION_NAME, a.GEN_AI_PROVIDER_NAME, a.GEN_AI_REQUEST_MODEL, a.GEN_AI_RESPONSE_MODEL),
    buckets=(1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0, 4194304.0, 16777216.0, 67108864.0),
)

GEN_AI_CLIENT_INFERENCE_TIME_PER_OUTPUT_CHUNK: Final = MetricSpec(
    name="gen_ai.client.inference.time_per_output_chunk",
    instrument="histogram",
    unit="s",
    brief="Time between chunks of a streamed answer, after the first.",
    subsystem="llm",
    attributes=(a.GEN_AI_OPERATION_NAME, a.GEN_AI_PROVIDER_NAME, a.GEN_AI_REQUEST_MODEL, a.GEN_AI_RESPONSE_MODEL),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12),
)

GEN_AI_CLIENT_INFERENCE_TIME_TO_FIRST_CHUNK: Final = MetricSpec(
    name="gen_ai.client.inference.time_to_first_chunk",
    instrument="histogram",
    unit="s",
    brief="Time until the first chunk of a streamed answer.",
    subsystem="llm",
    attributes=(a.GEN_AI_OPERATION_NAME, a.GEN_AI_PROVIDER_NAME, a.GEN_AI_REQUEST_MODEL, a.GEN_AI_RESPONSE_MODEL),
    buckets=(0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92),
)

GEN_AI_CLIENT_INFERENCE_USAGE_CACHE_READ_INPUT_TOKENS: Final = MetricSpec(
    name="gen_ai.client.inference.usage.cache_read.input_tokens",
    instrument="counter",
    unit="{token}",
    brief="Input tokens read from the provider's cache.",
    subsystem="llm",
    attributes=(a.GEN_AI_OPERATION_NAME, a.GEN_AI_PROVIDER_NAME, a.GEN_AI_REQUEST_MODEL, a.GEN_AI_RESPONSE_MODEL, a.GEN_AI_TOKEN_MODALITY),
)

GEN_AI_CLIENT_INFERENCE_USAGE_CACHE_WRITE_INPUT_TOKENS: Final = MetricSpec(
    name="gen_ai.client.inference.usage.cache_write.input_tokens",
    instrument="counter",
    unit="{token}",
    brief="Input tokens written to the provider's cache.",
    subsystem="llm",
    attributes=(a.GEN_AI_OPERATION_NAME, a.GEN_AI_PROVIDER_NAME, a.GEN_AI_REQUEST_MODEL, a.GEN_AI_RESPONSE_MODEL, a.GEN_AI_TOKEN_MODALITY),
)

GEN_AI_CLIENT_INFERENCE_USAGE_INPUT_TOKENS: Final = MetricSpec(
    name="gen_ai.client.inference.usage.input_tokens",
    instrument="counter",
    unit="{token}",
    brief="Input tokens used.",
    subsystem="llm",
    attributes=(a.GEN_AI_OPERATION_NAME, a.GEN_AI_PROVIDER_NAME, a.GEN_AI_REQUEST_MODEL, a.GEN_AI_RESPONSE_MODEL, a.GEN_AI_TOKEN_MODALITY),
)

GEN_AI_CLIENT_INFERENCE_USAGE_OUTPUT_TOKENS: Final = MetricSpec(
    name="gen_ai.client.inference.usage.output_tokens",
    instrument="counter",
    unit="{token}",
    brief="Output tokens used.",
    subsystem="llm",
    attributes=(a.GEN_AI_OPERATION_NAME, a.GEN_AI_PROVIDER_NAME, a.GEN_AI_REQUEST_MODEL, a.GEN_AI_RESPONSE_MODEL, a.GEN_AI_TOKEN_MODALITY),
)

GEN_AI_CLIENT_INFERENCE_USAGE_REASONING_OUTPUT_TOKENS: Final = MetricSpec(
    name="gen_ai.client.inference.usage.reasoning.output_tokens",
    instrument="counter",
    unit="{token}",
    brief="Output tokens spent on reasoning.",
    subsystem="llm",
    attributes=(a.GEN_AI_OPERATION_NAME, a.GEN_AI_PROVIDER_NAME, a.GEN_AI_REQUEST_MODEL, a.GEN_AI_RESPONSE_MODEL, a.GEN_AI_TOKEN_MODALITY),
)

GEN_AI_CLIENT_OPERATION_DURATION: Final = MetricSpec(
    name="gen_ai.client.operation.duration",
    instrument="histogram",
    unit="s",
    brief="Time of a call that is no inference (embeddings); with legacy names of every call.",
    subsystem="llm",
    attributes=(a.GEN_AI_OPERATION_NAME, a.GEN_AI_PROVIDER_NAME, a.GEN_AI_REQUEST_MODEL, a.GEN_AI_RESPONSE_MODEL, a.ERROR_TYPE),
    buckets=(0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92),
)

GEN_AI_CLIENT_TOKEN_USAGE: Final = MetricSpec(
    name="gen_ai.client.token.usage",
    instrument="histogram",
    unit="{token}",
    brief="Tokens per call, the name before the move.",
    subsystem="llm",
    attributes=(a.GEN_AI_OPERATION_NAME, a.GEN_AI_PROVIDER_NAME, a.GEN_AI_REQUEST_MODEL, a.GEN_AI_RESPONSE_MODEL, a.GEN_AI_TOKEN_TYPE),
    buckets=(1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0, 4194304.0, 16777216.0, 67108864.0),
    legacy=True,
)

LLM_CALLS: Final = MetricSpec(
    name="capibara6.llm.calls",
    instrument="counter",
    unit="{call}",
    brief="Model calls by operation, provider, model and outcome.",
    subsystem="llm",
    attributes=(a.GEN_AI_OPERATION_NAME, a.GEN_AI_PROVIDER_NAME, a.GEN_AI_REQUEST_MODEL, a.OUTCOME, a.ERROR_TYPE),
)

LLM_CALLS_ACTIVE: Final = MetricSpec(
    name="capibara6.llm.calls.active",
    instrument="updowncounter",
    unit="{call}",
    brief="Model calls under way now.",
    subsystem="llm",
    attributes=(a.GEN_AI_OPERATION_NAME, a.GEN_AI_PROVIDER_NAME, a.GEN_AI_REQUEST_MODEL),
)

LLM_FINISHES: Final = MetricSpec(
    name="capibara6.llm.finishes",
    instrument="counter",
    unit="{call}",
    brief="Answers by the reason the model stopped.",
    subsystem="llm",
    attributes=(a.GEN_AI_PROVIDER_NAME, a.GEN_AI_REQUEST_MODEL, a.LLM_FINISH_REASON),
)

LLM_PROVIDER_ERRORS: Final = MetricSpec(
    name="capibara6.llm.provider.errors",
    instrument="counter",
    unit="{error}",
    brief="Errors that providers answered with, also those a retry healed.",
    subsystem="llm",
    attributes=(a.GEN_AI_PROVIDER_NAME, a.GEN_AI_REQUEST_MODEL, a.ERROR_TYPE),
)

LLM_RETRIES: Final = MetricSpec(
    name="capibara6.llm.retries",
    instrument="counter",
    unit="{retry}",
    brief="Model calls that were tried again, by reason.",
    subsystem="llm",
    attributes=(a.GEN_AI_PROVIDER_NAME, a.GEN_AI_REQUEST_MODEL, a.LLM_RETRY_REASON),
)

OPTIMIZATIONS_DURATION: Final = MetricSpec(
    name="capibara6.optimizations.duration",
    instrument="histogram",
    unit="s",
    brief="Time an optimization took.",
    subsystem="optimizations",
    attributes=(a.OPTIMIZATIONS_NAME, a.ERROR_TYPE),
    buckets=(0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0),
)

OPTIMIZATIONS_IMPROVEMENT: Final = MetricSpec(
    name="capibara6.optimizations.improvement",
    instrument="histogram",
    unit="1",
    brief="Share saved by an optimization, 0 nothing to 1 all; what made things worse is counted as a regression.",
    subsystem="optimizations",
    attributes=(a.OPTIMIZATIONS_NAME,),
    buckets=(0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
    maximum=1.0,
)

OPTIMIZATIONS_OPERATIONS: Final = MetricSpec(
    name="capibara6.optimizations.operations",
    instrument="counter",
    unit="{operation}",
    brief="Optimizations applied, by name and outcome.",
    subsystem="optimizations",
    attributes=(a.OPTIMIZATIONS_NAME, a.OUTCOME, a.ERROR_TYPE),
)

OPTIMIZATIONS_REGRESSIONS: Final = MetricSpec(
    name="capibara6.optimizations.regressions",
    instrument="counter",
    unit="{operation}",
    brief="Optimizations that made things worse.",
    subsystem="optimizations",
    attributes=(a.OPTIMIZATIONS_NAME,),
)

PROCESS_CPU_USAGE: Final = MetricSpec(
    name="capibara6.process.cpu.usage",
    instrument="gauge",
    unit="%",
    brief="Processor use of this process; 100 is one core.",
    subsystem="system",
    processes="sum",
)

PROCESS_FILE_DESCRIPTORS: Final = MetricSpec(
    name="capibara6.process.file_descriptors",
    instrument="gauge",
    unit="{file_descriptor}",
    brief="Open file descriptors of this process.",
    subsystem="system",
    processes="sum",
)

PROCESS_MEMORY_USAGE: Final = MetricSpec(
    name="capibara6.process.memory.usage",
    instrument="gauge",
    unit="By",
    brief="Resident memory of this process.",
    subsystem="system",
    processes="sum",
)

PROCESS_THREADS: Final = MetricSpec(
    name="capibara6.process.threads",
    instrument="gauge",
    unit="{thread}",
    brief="Threads of this process.",
    subsystem="system",
    processes="sum",
)

PROCESS_UPTIME: Final = MetricSpec(
    name="capibara6.process.uptime",
    instrument="gauge",
    unit="s",
    brief="Time since this process started.",
    subsystem="system",
    processes="max",
)

RAG_CHUNKS_INGESTED: Final = MetricSpec(
    name="capibara6.rag.chunks.ingested",
    instrument="counter",
    unit="{chunk}",
    brief="Chunks put into an index.",
    subsystem="rag",
    attributes=(a.RAG_INDEX,),
)

RAG_DOCUMENTS_INGESTED: Final = MetricSpec(
    name="capibara6.rag.documents.ingested",
    instrument="counter",
    unit="{document}",
    brief="Documents put into an index.",
    subsystem="rag",
    attributes=(a.RAG_INDEX, a.OUTCOME, a.ERROR_TYPE),
)

RAG_INGEST_DURATION: Final = MetricSpec(
    name="capibara6.rag.ingest.duration",
    instrument="histogram",
    unit="s",
    brief="Time of one ingestion.",
    subsystem="rag",
    attributes=(a.RAG_INDEX, a.ERROR_TYPE),
    buckets=(0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0),
)

RAG_RELEVANCE: Final = MetricSpec(
    name="capibara6.rag.relevance",
    instrument="histogram",
    unit="1",
    brief="Relevance scores of the results, 0 to 1.",
    subsystem="rag",
    attributes=(a.RAG_INDEX,),
    buckets=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0),
    maximum=1.0,
)

RAG_RESULTS: Final = MetricSpec(
    name="capibara6.rag.results",
    instrument="histogram",
    unit="{result}",
    brief="Results per search.",
    subsystem="rag",
    attributes=(a.RAG_INDEX,),
    buckets=(0.0, 1.0, 2.0, 3.0, 5.0, 8.0, 10.0, 20.0, 50.0, 100.0),
)

RAG_SEARCHES: Final = MetricSpec(
    name="capibara6.rag.searches",
    instrument="counter",
    unit="{search}",
    brief="Searches by index and whether they found anything.",
    subsystem="rag",
    attributes=(a.RAG_INDEX, a.RAG_HIT, a.OUTCOME, a.ERROR_TYPE),
)

RAG_SEARCH_DURATION: Final = MetricSpec(
    name="capibara6.rag.search.duration",
    instrument="histogram",
    unit="s",
    brief="Time of a search.",
    subsystem="rag",
    attributes=(a.RAG_INDEX, a.ERROR_TYPE),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)

RAG_VECTORS: Final = MetricSpec(
    name="capibara6.rag.vectors",
    instrument="gauge",
    unit="{vector}",
    brief="Vectors (or postings) an index holds.",
    subsystem="rag",
    attributes=(a.RAG_INDEX,),
)

ROUTING_ALTERNATIVES: Final = MetricSpec(
    name="capibara6.routing.alternatives",
    instrument="histogram",
    unit="{model}",
    brief="Models considered beside the chosen one.",
    subsystem="routing",
    attributes=(a.ROUTING_MODEL,),
    buckets=(0.0, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0),
)

ROUTING_CONFIDENCE: Final = MetricSpec(
    name="capibara6.routing.confidence",
    instrument="histogram",
    unit="1",
    brief="Confidence of the decisions, 0 to 1.",
    subsystem="routing",
    attributes=(a.ROUTING_MODEL, a.ROUTING_COMPLEXITY),
    buckets=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0),
    maximum=1.0,
)

ROUTING_DECISIONS: Final = MetricSpec(
    name="capibara6.routing.decisions",
    instrument="counter",
    unit="{decision}",
    brief="Routing decisions by chosen model, complexity and query type.",
    subsystem="routing",
    attributes=(a.ROUTING_MODEL, a.ROUTING_COMPLEXITY, a.ROUTING_QUERY_TYPE, a.OUTCOME, a.ERROR_TYPE),
)

ROUTING_DECISION_DURATION: Final = MetricSpec(
    name="capibara6.routing.decision.duration",
    instrument="histogram",
    unit="s",
    brief="Time to decide, by chosen model.",
    subsystem="routing",
    attributes=(a.ROUTING_MODEL, a.ROUTING_COMPLEXITY, a.ERROR_TYPE),
    buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)

ROUTING_FALLBACKS: Final = MetricSpec(
    name="capibara6.routing.fallbacks",
    instrument="counter",
    unit="{decision}",
    brief="Decisions that had to leave their first choice.",
    subsystem="routing",
    attributes=(a.ROUTING_FALLBACK_FROM, a.ROUTING_MODEL, a.ROUTING_FALLBACK_REASON),
)

SYSTEM_CPU_USAGE: Final = MetricSpec(
    name="capibara6.system.cpu.usage",
    instrument="gauge",
    unit="%",
    brief="Processor use of the machine, 0 to 100.",
    subsystem="system",
)

SYSTEM_DISK_IO: Final = MetricSpec(
    name="capibara6.system.disk.io",
    instrument="counter",
    unit="By",
    brief="Bytes read from and written to disks.",
    subsystem="system",
    attributes=(a.SYSTEM_DIRECTION,),
)

SYSTEM_DISK_LIMIT: Final = MetricSpec(
    name="capibara6.system.disk.limit",
    instrument="gauge",
    unit="By",
    brief="Size of the disk, by mount point.",
    subsystem="system",
    attributes=(a.SYSTEM_MOUNTPOINT,),
)

SYSTEM_DISK_USAGE: Final = MetricSpec(
    name="capibara6.system.disk.usage",
    instrument="gauge",
    unit="By",
    brief="Disk space in use, by mount point.",
    subsystem="system",
    attributes=(a.SYSTEM_MOUNTPOINT,),
)

SYSTEM_LOAD: Final = MetricSpec(
    name="capibara6.system.load",
    instrument="gauge",
    unit="{thread}",
    brief="Average number of runnable threads.",
    subsystem="system",
    attributes=(a.SYSTEM_WINDOW,),
)

SYSTEM_MEMORY_LIMIT: Final = MetricSpec(
    name="capibara6.system.memory.limit",
    instrument="gauge",
    unit="By",
    brief="Memory the machine has.",
    subsystem="system",
)

SYSTEM_MEMORY_USAGE: Final = MetricSpec(
    name="capibara6.system.memory.usage",
    instrument="gauge",
    unit="By",
    brief="Memory in use on the machine.",
    subsystem="system",
)

SYSTEM_NETWORK_IO: Final = MetricSpec(
    name="capibara6.system.network.io",
    instrument="counter",
    unit="By",
    brief="Bytes received from and sent to the network.",
    subsystem="system",
    attributes=(a.SYSTEM_DIRECTION,),
)

TELEMETRY_DROPPED: Final = MetricSpec(
    name="capibara6.telemetry.dropped",
    instrument="counter",
    unit="{item}",
    brief="Spans, metric points and log records that did not reach the receiver, by reason.",
    subsystem="telemetry",
    attributes=(a.TELEMETRY_SIGNAL, a.TELEMETRY_REASON),
)

TELEMETRY_ERRORS: Final = MetricSpec(
    name="capibara6.telemetry.errors",
    instrument="counter",
    unit="{error}",
    brief="Faults inside the telemetry that were kept from the app.",
    subsystem="telemetry",
    attributes=(a.TELEMETRY_PLACE,),
)

TELEMETRY_EXPORTED: Final = MetricSpec(
    name="capibara6.telemetry.exported",
    instrument="counter",
    unit="{item}",
    brief="Spans, metric points and log records that the receiver took.",
    subsystem="telemetry",
    attributes=(a.TELEMETRY_SIGNAL,),
)

TELEMETRY_EXPORT_DURATION: Final = MetricSpec(
    name="capibara6.telemetry.export.duration",
    instrument="histogram",
    unit="s",
    brief="Time of an export, retries included.",
    subsystem="telemetry",
    attributes=(a.TELEMETRY_SIGNAL, a.OUTCOME),
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)

TELEMETRY_INVALID: Final = MetricSpec(
    name="capibara6.telemetry.invalid",
    instrument="counter",
    unit="{value}",
    brief="Values that helpers were given and could not record, by call.",
    subsystem="telemetry",
    attributes=(a.TELEMETRY_CALL,),
)

TELEMETRY_OVERFLOW: Final = MetricSpec(
    name="capibara6.telemetry.overflow",
    instrument="counter",
    unit="{measurement}",
    brief="Measurements folded into the overflow series of a metric at its cardinality limit.",
    subsystem="telemetry",
    attributes=(a.TELEMETRY_METRIC, a.TELEMETRY_ATTRIBUTE),
)

TELEMETRY_QUEUE_CAPACITY: Final = MetricSpec(
    name="capibara6.telemetry.queue.capacity",
    instrument="gauge",
    unit="{item}",
    brief="Items the export queue can hold.",
    subsystem="telemetry",
    attributes=(a.TELEMETRY_SIGNAL,),
    processes="sum",
)

TELEMETRY_QUEUE_SIZE: Final = MetricSpec(
    name="capibara6.telemetry.queue.size",
    instrument="gauge",
    unit="{item}",
    brief="Items waiting to be exported.",
    subsystem="telemetry",
    attributes=(a.TELEMETRY_SIGNAL,),
    processes="sum",
)

TELEMETRY_SCRAPE_DURATION: Final = MetricSpec(
    name="capibara6.telemetry.scrape.duration",
    instrument="histogram",
    unit="s",
    brief="Time to write the metrics page.",
    subsystem="telemetry",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0),
)

TELEMETRY_SPOOL_SIZE: Final = MetricSpec(
    name="capibara6.telemetry.spool.size",
    instrument="gauge",
    unit="By",
    brief="Bytes on disk that wait for a receiver.",
    subsystem="telemetry",
    processes="max",
)

TELEMETRY_TRACES_DECIDED: Final = MetricSpec(
    name="capibara6.telemetry.traces.decided",
    instrument="counter",
    unit="{trace}",
    brief="Traces that tail sampling decided about, by decision.",
    subsystem="telemetry",
    attributes=(a.TELEMETRY_DECISION,),
)

TELEMETRY_TRACES_UNDECIDED: Final = MetricSpec(
    name="capibara6.telemetry.traces.undecided",
    instrument="gauge",
    unit="{span}",
    brief="Spans that wait in memory for their trace's end.",
    subsystem="telemetry",
    processes="sum",
)

METRICS: Final[tuple[MetricSpec, ...]] = (
    ACE_AWARENESS,
    ACE_CYCLES,
    ACE_CYCLE_DURATION,
    ACE_PLAYBOOK_CHANGES,
    ACE_PLAYBOOK_ENTRIES,
    ACE_TOKENS_AFTER,
    ACE_TOKENS_BEFORE,
    AGENTS_ACTIVE,
    AGENTS_GRADUATIONS,
    AGENTS_GRADUATION_DURATION,
    AGENTS_INTERACTIONS,
    AGENTS_MEMORY_DURATION,
    AGENTS_MEMORY_ENTRIES,
    AGENTS_MEMORY_OPERATIONS,
    AGENTS_MEMORY_SIZE,
    AGENTS_STEPS,
    AGENTS_TASK_DURATION,
    API_BACKGROUND_DURATION,
    API_DISCONNECTS,
    API_EXCEPTIONS,
    API_REQUESTS,
    API_REQUESTS_ACTIVE,
    API_REQUEST_BODY_SIZE,
    API_REQUEST_DURATION,
    API_RESPONSE_BODY_SIZE,
    API_RESPONSE_FIRST_BYTE_DURATION,
    API_WEBSOCKET_CONNECTIONS_ACTIVE,
    API_WEBSOCKET_DURATION,
    API_WEBSOCKET_MESSAGES,
    BATCH_PROCESSING_DURATION,
    BATCH_SIZE,
    BATCH_WAIT_DURATION,
    BUSINESS_KPI,
    BUSINESS_QUERIES,
    BUSINESS_QUERY_DURATION,
    BUSINESS_SATISFACTION,
    BUSINESS_USERS_ACTIVE,
    CACHE_ENTRIES,
    CACHE_EVICTIONS,
    CACHE_HIT_RATE,
    CACHE_LOOKUP_DURATION,
    CACHE_REQUESTS,
    E2B_EXECUTIONS,
    E2B_EXECUTION_CPU_TIME,
    E2B_EXECUTION_DURATION,
    E2B_EXECUTION_MEMORY_PEAK,
    E2B_EXITS,
    E2B_QUEUE_DURATION,
    E2B_QUEUE_SIZE,
    E2B_SANDBOXES_ACTIVE,
    E2B_SANDBOX_DURATION,
    E2B_SANDBOX_STARTUP_DURATION,
    E2B_TIMEOUTS,
    EVENT_LOOP_LAG,
    GC_COLLECTIONS,
    GC_DURATION,
    GC_OBJECTS_COLLECTED,
    GEN_AI_CLIENT_INFERENCE_DURATION,
    GEN_AI_CLIENT_INFERENCE_OPERATION_INPUT_TOKENS,
    GEN_AI_CLIENT_INFERENCE_OPERATION_OUTPUT_TOKENS,
    GEN_AI_CLIENT_INFERENCE_TIME_PER_OUTPUT_CHUNK,
    GEN_AI_CLIENT_INFERENCE_TIME_TO_FIRST_CHUNK,
    GEN_AI_CLIENT_INFERENCE_USAGE_CACHE_READ_INPUT_TOKENS,
    GEN_AI_CLIENT_INFERENCE_USAGE_CACHE_WRITE_INPUT_TOKENS,
    GEN_AI_CLIENT_INFERENCE_USAGE_INPUT_TOKENS,
    GEN_AI_CLIENT_INFERENCE_USAGE_OUTPUT_TOKENS,
    GEN_AI_CLIENT_INFERENCE_USAGE_REASONING_OUTPUT_TOKENS,
    GEN_AI_CLIENT_OPERATION_DURATION,
    GEN_AI_CLIENT_TOKEN_USAGE,
    LLM_CALLS,
    LLM_CALLS_ACTIVE,
    LLM_FINISHES,
    LLM_PROVIDER_ERRORS,
    LLM_RETRIES,
    OPTIMIZATIONS_DURATION,
    OPTIMIZATIONS_IMPROVEMENT,
    OPTIMIZATIONS_OPERATIONS,
    OPTIMIZATIONS_REGRESSIONS,
    PROCESS_CPU_USAGE,
    PROCESS_FILE_DESCRIPTORS,
    PROCESS_MEMORY_USAGE,
    PROCESS_THREADS,
    PROCESS_UPTIME,
    RAG_CHUNKS_INGESTED,
    RAG_DOCUMENTS_INGESTED,
    RAG_INGEST_DURATION,
    RAG_RELEVANCE,
    RAG_RESULTS,
    RAG_SEARCHES,
    RAG_SEARCH_DURATION,
    RAG_VECTORS,
    ROUTING_ALTERNATIVES,
    ROUTING_CONFIDENCE,
    ROUTING_DECISIONS,
    ROUTING_DECISION_DURATION,
    ROUTING_FALLBACKS,
    SYSTEM_CPU_USAGE,
    SYSTEM_DISK_IO,
    SYSTEM_DISK_LIMIT,
    SYSTEM_DISK_USAGE,
    SYSTEM_LOAD,
    SYSTEM_MEMORY_LIMIT,
    SYSTEM_MEMORY_USAGE,
    SYSTEM_NETWORK_IO,
    TELEMETRY_DROPPED,
    TELEMETRY_ERRORS,
    TELEMETRY_EXPORTED,
    TELEMETRY_EXPORT_DURATION,
    TELEMETRY_INVALID,
    TELEMETRY_OVERFLOW,
    TELEMETRY_QUEUE_CAPACITY,
    TELEMETRY_QUEUE_SIZE,
    TELEMETRY_SCRAPE_DURATION,
    TELEMETRY_SPOOL_SIZE,
    TELEMETRY_TRACES_DECIDED,
    TELEMETRY_TRACES_UNDECIDED,
)
"""Every metric, ordered by name."""
