"""Calls to the model server through the official client, observed by `cap.llm`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from httpx import RemoteProtocolError
from openai import APIConnectionError, APIError, APIStatusError, APITimeoutError, AsyncOpenAI

import capibara_otel as cap
from capibara_otel.subsystems.llm import Chat, Embedding

PROVIDER: Final = "openai"
EMBEDDING_MODEL: Final = "text-embedding-3-small"
_FAULTS: Final = (APIError, RemoteProtocolError)
"""What the client raises when a call failed; the second one when a connection is cut in mid-answer."""
_TRIES: Final = 3
_PAUSE_S: Final = 0.05


class ModelUnavailableError(Exception):
    """The model server did not answer, however often it was asked."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said."""

    text: str
    model: str
    output_tokens: int


class Models:
    """A client of the model server.

    Args:
        base_url: its address, with `/v1`.
    """

    def __init__(self, base_url: str) -> None:
        self._client = AsyncOpenAI(base_url=base_url, api_key="sk-demo-not-a-secret", max_retries=0, timeout=20)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def ask(self, model: str, system: str, question: str) -> Answer:
        """Return a model's whole answer; it is streamed underneath, so the first token is timed.

        Raises:
            ModelUnavailableError: every try failed.
        """
        parts: list[str] = []
        tokens = 0
        messages = _messages(system, question)
        async with cap.llm.chat(provider=PROVIDER, model=model, streamed=True, messages=messages) as chat:
            for attempt in range(1, _TRIES + 1):
                parts.clear()
                try:
                    parts += [piece async for piece in self._stream(chat, model, messages)]
                    break
                except _FAULTS as error:
                    await _again(chat, error, attempt)
            usage = chat.attributes.get("gen_ai.usage.output_tokens", 0)
            tokens = usage if isinstance(usage, int) else 0
        return Answer("".join(parts), model, tokens)

    async def tell(self, model: str, system: str, question: str) -> AsyncIterator[str]:
        """Hand on a model's answer as it comes; not tried again once something was handed on.

        Raises:
            ModelUnavailableError: every try failed, or the answer broke off.
        """
        messages = _messages(system, question)
        chat = cap.llm.chat(provider=PROVIDER, model=model, streamed=True, messages=messages)
        async for piece in chat.stream_async(self._patient_pieces(chat, model, messages)):
            yield piece

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return a vector for each text.

        Raises:
            ModelUnavailableError: every try failed.
        """
        async with cap.llm.embed(provider=PROVIDER, model=EMBEDDING_MODEL, inputs=len(texts)) as embedding:
            for attempt in range(1, _TRIES + 1):
                try:
                    result = await self._client.embeddings.create(model=EMBEDDING_MODEL, input=list(texts))
                except _FAULTS as error:
                    await _again(embedding, error, attempt)
                else:
                    embedding.usage(input_tokens=result.usage.prompt_tokens)
                    embedding.answered(model=result.model)
                    return [item.embedding for item in result.data]
        raise ModelUnavailableError("unreachable")  # pragma: no cover - the last try raises

    async def _patient_pieces(self, chat: Chat, model: str, messages: list[dict[str, str]]) -> AsyncIterator[str]:
        begun = False
        for attempt in range(1, _TRIES + 1):
            try:
                async for piece in self._pieces(chat, model, messages):
                    begun = True
                    yield piece
            except _FAULTS as error:
                await _again(chat, error, _TRIES if begun else attempt)
            else:
                return

    async def _stream(self, chat: Chat, model: str, messages: list[dict[str, str]]) -> AsyncIterator[str]:
        async for piece in self._pieces(chat, model, messages):
            chat.chunk()
            yield piece

    async def _pieces(self, chat: Chat, model: str, messages: list[dict[str, str]]) -> AsyncIterator[str]:
        stream: Any = await self._client.chat.completions.create(  # type: ignore[call-overload]
            model=model,
            messages=messages,
            stream=True,
            stream_options={"include_usage": True},
        )
        async for chunk in stream:
            if chunk.usage is not None:
                prompt, completion = chunk.usage.prompt_tokens_details, chunk.usage.completion_tokens_details
                chat.usage(
                    input_tokens=chunk.usage.prompt_tokens,
                    output_tokens=chunk.usage.completion_tokens,
                    cached_tokens=prompt.cached_tokens if prompt else None,
                    cache_write_tokens=getattr(prompt, "cache_write_tokens", None) if prompt else None,
                    reasoning_tokens=completion.reasoning_tokens if completion else None,
                )
            for choice in chunk.choices:
                if choice.finish_reason:
                    chat.answered(model=chunk.model, response_id=chunk.id, finish_reason=choice.finish_reason)
                if choice.delta.content:
                    yield choice.delta.content


def _messages(system: str, question: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": system}, {"role": "user", "content": question}]


async def _again(call: Chat | Embedding, error: APIError | RemoteProtocolError, attempt: int) -> None:
    """Wait for the next try, or give up."""
    reason = _reason(error)
    call.provider_error(reason)
    status = error.status_code if isinstance(error, APIStatusError) else None
    hopeless = status is not None and status < 500 and status != 429  # noqa: PLR2004 - HTTP status classes
    if attempt == _TRIES or hopeless:
        raise ModelUnavailableError(f"{reason} after {attempt} tries") from error
    call.retried(reason)
    await asyncio.sleep(_PAUSE_S * 2**attempt)


def _reason(error: APIError | RemoteProtocolError) -> str:
    if isinstance(error, APIStatusError):
        return str(error.status_code)
    if isinstance(error, APITimeoutError):
        return "timeout"
    return "connection" if isinstance(error, APIConnectionError) else "cut"
