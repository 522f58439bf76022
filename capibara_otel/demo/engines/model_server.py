"""A local model server that speaks OpenAI's HTTP API: chat (streaming too), embeddings, models, and real failures.

It needs no model: answers quote the prompt (see `model_answers`), tokens are counted, repeated prompt prefixes are
cached, times are log-normal per model. With one seed the same requests get the same answers, times and faults,
whatever the order in which different requests come in.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from struct import pack
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.types import Send

from capibara_otel.demo.engines.model_profiles import (
    CHAT_MODELS,
    DEFAULT_FAULTS,
    EMBEDDING_MODELS,
    ChatModel,
    EmbeddingModel,
    FaultShares,
    Incident,
)
from capibara_otel.demo.engines.model_protocol import DONE, ApiError, ChatRequest, EmbeddingRequest, invalid_request
from capibara_otel.demo.engines.model_provider import ChatPlan, Provider
from capibara_otel.demo.engines.model_snippets import CodeShares


def create_model_server(
    seed: int = 7,
    *,
    chat_models: Mapping[str, ChatModel] = CHAT_MODELS,
    embedding_models: Mapping[str, EmbeddingModel] = EMBEDDING_MODELS,
    faults: FaultShares = DEFAULT_FAULTS,
    incidents: Sequence[Incident] = (),
    code: CodeShares | None = None,
    time_scale: float = 1.0,
    retry_after_s: float = 0.05,
    clock: Callable[[], float] = time.time,
) -> FastAPI:
    """Return the server as an app for uvicorn.

    A connection cut in mid-answer makes uvicorn log one line at error level; run it with `log_level="critical"`.

    Args:
        seed: decides times, faults and which programs are written.
        chat_models: what `/v1/chat/completions` offers.
        embedding_models: what `/v1/embeddings` offers.
        faults: how often requests fail.
        incidents: times in which a model fails more often.
        code: how often written code is faulty.
        time_scale: factor of all waiting; 0 answers at once.
        retry_after_s: what a rate-limited client is told to wait, in seconds.
        clock: seconds since 1970, for `created` and the incidents.
    """
    provider = Provider(
        seed,
        chat_models=chat_models,
        embedding_models=embedding_models,
        faults=faults,
        incidents=incidents,
        code=code,
        time_scale=time_scale,
        retry_after_s=retry_after_s,
        clock=clock,
    )
    routes = _Routes(provider)
    # It stands for someone else's server, so it takes no part in the telemetry of the process it runs in.
    app = FastAPI(
        title="Local model server",
        openapi_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.add_api_route("/v1/models", routes.models, methods=["GET"])
    app.add_api_route("/v1/chat/completions", routes.chat, methods=["POST"], response_model=None)
    app.add_api_route("/v1/embeddings", routes.embed, methods=["POST"], response_model=None)
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    return app


class _Routes:
    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def models(self) -> dict[str, Any]:
        entries = self._provider.models.items()
        data = [{"id": name, "object": "model", "created": since, "owned_by": "local"} for name, since in entries]
        return {"object": "list", "data": data}

    async def chat(self, request: ChatRequest) -> Response:
        plan = self._provider.plan_chat(request)
        if plan.error is not None:
            await asyncio.sleep(plan.first_token_s)
            raise plan.error
        if request.stream:
            usage = request.stream_options is not None and request.stream_options.include_usage
            events = _events(plan, usage=usage)
            return (_CutResponse if plan.cut else StreamingResponse)(events, media_type="text/event-stream")
        await asyncio.sleep(plan.first_token_s + sum(plan.gaps_s))
        body = plan.completion.as_json()
        return _CutResponse(_first_half(body), media_type="application/json") if plan.cut else JSONResponse(body)

    async def embed(self, request: EmbeddingRequest) -> Response:
        plan = self._provider.plan_embedding(request)
        await asyncio.sleep(plan.seconds)
        if plan.error is not None:
            raise plan.error
        as_text = request.encoding_format == "base64"
        data = [
            {"object": "embedding", "index": index, "embedding": _base64(vector) if as_text else vector}
            for index, vector in enumerate(plan.vectors)
        ]
        usage = {"prompt_tokens": plan.prompt_tokens, "total_tokens": plan.prompt_tokens}
        return JSONResponse({"object": "list", "data": data, "model": request.model, "usage": usage})


class _CutResponse(StreamingResponse):
    """A response whose connection ends before its body does."""

    async def stream_response(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for chunk in self.body_iterator:
            body = chunk.encode(self.charset) if isinstance(chunk, str) else chunk
            await send({"type": "http.response.body", "body": body, "more_body": True})


async def _events(plan: ChatPlan, *, usage: bool) -> AsyncIterator[str]:
    """Yield the server-sent events of a reply in their time; of one that is cut, the first half."""
    completion = plan.completion
    await asyncio.sleep(plan.first_token_s)
    yield completion.event({"role": "assistant", "content": ""}, usage=usage)
    sent = plan.chunks[: (len(plan.chunks) + 1) // 2] if plan.cut else plan.chunks
    for chunk, wait in zip(sent, itertools.chain([0.0], plan.gaps_s), strict=False):
        await asyncio.sleep(wait)
        yield completion.event({"content": chunk}, usage=usage)
    if plan.cut:
        return
    yield completion.event({}, finish=True, usage=usage)
    if usage:
        yield completion.usage_event()
    yield DONE


async def _first_half(body: dict[str, Any]) -> AsyncIterator[str]:
    text = json.dumps(body)
    yield text[: len(text) // 2]


def _base64(vector: Sequence[float]) -> str:
    return base64.b64encode(pack(f"<{len(vector)}f", *vector)).decode("ascii")


async def _api_error(_request: Request, fault: Exception) -> Response:
    if not isinstance(fault, ApiError):
        raise fault
    return fault.response()


async def _validation_error(_request: Request, fault: Exception) -> Response:
    if not isinstance(fault, RequestValidationError):
        raise fault
    faults = [(".".join(str(part) for part in error["loc"][1:]), str(error["msg"])) for error in fault.errors()]
    return invalid_request(faults).response()
