"""`cap.llm`: calls to language models, streamed or not, and to embedding models."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias, get_args

from opentelemetry.util.types import AttributeValue

from capibara_otel.operation import Emitter, Operation
from capibara_otel.operation.emitter import GenAiMetrics
from capibara_otel.redaction import scrub, text_of
from capibara_otel.semconv import attributes as a
from capibara_otel.semconv import metrics as m
from capibara_otel.semconv import spans
from capibara_otel.semconv.specs import MetricSpec

_Labelled: TypeAlias = tuple[MetricSpec, Mapping[str, AttributeValue] | None]
"""A metric, and labels beyond those of the call."""

_TEXT: Final[Mapping[str, AttributeValue]] = {a.GEN_AI_TOKEN_MODALITY: "text"}
_INPUT: Final[Mapping[str, AttributeValue]] = {a.GEN_AI_TOKEN_TYPE: "input"}
_OUTPUT: Final[Mapping[str, AttributeValue]] = {a.GEN_AI_TOKEN_TYPE: "output"}


class _Usage(NamedTuple):
    """A count of tokens: the argument that tells it, and where it goes."""

    argument: str
    attribute: str
    counter: _Labelled
    histogram: _Labelled | None = None
    """Per call, of chat models only."""
    legacy: _Labelled | None = None

    def metrics(self, names: GenAiMetrics, *, of_chat: bool) -> tuple[_Labelled, ...]:
        """Return what is measured under the names that the configuration asks for."""
        latest = (self.counter, self.histogram if of_chat else None) if names != "legacy" else ()
        legacy = (self.legacy,) if names != "latest" else ()
        return tuple(one for one in (*latest, *legacy) if one is not None)


_USAGE: Final = (
    _Usage(
        "input_tokens",
        a.GEN_AI_USAGE_INPUT_TOKENS,
        (m.GEN_AI_CLIENT_INFERENCE_USAGE_INPUT_TOKENS, _TEXT),
        (m.GEN_AI_CLIENT_INFERENCE_OPERATION_INPUT_TOKENS, None),
        (m.GEN_AI_CLIENT_TOKEN_USAGE, _INPUT),
    ),
    _Usage(
        "output_tokens",
        a.GEN_AI_USAGE_OUTPUT_TOKENS,
        (m.GEN_AI_CLIENT_INFERENCE_USAGE_OUTPUT_TOKENS, _TEXT),
        (m.GEN_AI_CLIENT_INFERENCE_OPERATION_OUTPUT_TOKENS, None),
        (m.GEN_AI_CLIENT_TOKEN_USAGE, _OUTPUT),
    ),
    _Usage(
        "cached_tokens",
        a.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS,
        (m.GEN_AI_CLIENT_INFERENCE_USAGE_CACHE_READ_INPUT_TOKENS, _TEXT),
    ),
    _Usage(
        "cache_write_tokens",
        a.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS,
        (m.GEN_AI_CLIENT_INFERENCE_USAGE_CACHE_WRITE_INPUT_TOKENS, _TEXT),
    ),
    _Usage(
        "reasoning_tokens",
        a.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS,
        (m.GEN_AI_CLIENT_INFERENCE_USAGE_REASONING_OUTPUT_TOKENS, _TEXT),
    ),
)
_MEASURED: Final = {
    (names, of_chat): {usage.argument: usage.metrics(names, of_chat=of_chat) for usage in _USAGE}
    for names in get_args(GenAiMetrics)
    for of_chat in (False, True)
}
_LATEST: Final = spans.GEN_AI_CLIENT_INFERENCE
_LEGACY: Final = dataclasses.replace(_LATEST, duration=m.GEN_AI_CLIENT_OPERATION_DURATION)


class Call(Operation):
    """What every model call can tell."""

    _of_chat = False

    def _reset(self) -> None:
        self._retries = 0
        self._used: dict[str, int] = {}

    def retried(self, reason: str) -> None:
        """Tell that the call is tried again.

        Args:
            reason: a short constant word or status code, such as `503`.
        """
        checked = self.emitter.checked(self.spec.call, a.LLM_RETRY_REASON, reason)
        if checked is not None:
            self._retries += 1
            self.set(a.LLM_RETRIES, self._retries)
            self.measure(m.LLM_RETRIES, 1, labels={a.LLM_RETRY_REASON: checked})

    def provider_error(self, error: BaseException | str) -> None:
        """Tell that the provider answered with an error, whether a retry heals it or not.

        Args:
            error: the exception, or a short constant word or status code.
        """
        self.measure(m.LLM_PROVIDER_ERRORS, 1, labels={a.ERROR_TYPE: self.emitter.error_type(self.spec.call, error)})

    def _use(self, given: tuple[int | None, ...]) -> None:
        for usage, tokens in zip(_USAGE, given, strict=False):
            if tokens is not None:
                checked = self.take(usage.attribute, tokens, usage.argument)
                if isinstance(checked, int):
                    self._used[usage.argument] = checked

    def _before_end(self, _duration_s: float) -> None:
        if self._used:
            measured = _MEASURED[self.emitter.policy.gen_ai_metrics, self._of_chat]
            for argument, tokens in self._used.items():
                for metric, labels in measured[argument]:
                    self._measurements.append((metric, tokens, labels))


class Chat(Call):
    """One call to a chat model."""

    _of_chat = True

    def _reset(self) -> None:
        super()._reset()
        self._chunks = 0
        self._first_s = 0.0
        self._last_s = 0.0

    def chunk(self) -> None:
        """Tell that a chunk arrived: the first one's delay and the time between chunks are measured."""
        now = self.elapsed_s
        if not self._chunks:
            self._first_s = now
        self._last_s = now
        self._chunks += 1

    def usage(
        self,
        *,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cached_tokens: int | None = None,
        cache_write_tokens: int | None = None,
        reasoning_tokens: int | None = None,
    ) -> None:
        """Tell the tokens used; told again, the last word counts.

        Args:
            input_tokens: all input tokens, those read from a cache included.
            output_tokens: all output tokens, those of reasoning included.
            cached_tokens: input tokens read from the provider's cache.
            cache_write_tokens: input tokens written to the provider's cache.
            reasoning_tokens: output tokens spent on reasoning.
        """
        self._use((input_tokens, output_tokens, cached_tokens, cache_write_tokens, reasoning_tokens))

    def answered(
        self,
        *,
        model: str | None = None,
        response_id: str | None = None,
        finish_reason: str | None = None,
        text: str | None = None,
    ) -> None:
        """Tell what came back.

        Args:
            model: the model that answered.
            response_id: the answer's id.
            finish_reason: why the model stopped.
            text: the answer; recorded only where content capture is on.
        """
        if model is not None:
            self.take(a.GEN_AI_RESPONSE_MODEL, model)
        if response_id is not None:
            self.take(a.GEN_AI_RESPONSE_ID, response_id, "response_id")
        finish = self.emitter.checked(self.spec.call, a.LLM_FINISH_REASON, finish_reason)
        if isinstance(finish, str):
            self.know(a.GEN_AI_RESPONSE_FINISH_REASONS, [finish])
            self._measurements.append((m.LLM_FINISHES, 1, {a.LLM_FINISH_REASON: finish}))
        if text is not None and self.emitter.policy.capture_content:
            self.set(a.GEN_AI_OUTPUT_MESSAGES, _messages([{"role": "assistant", "content": text}]))

    def _before_end(self, duration_s: float) -> None:
        if self._chunks:
            self.take(a.LLM_CHUNKS, self._chunks)
            self.take(a.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK, self._first_s)
            self.measure(m.GEN_AI_CLIENT_INFERENCE_TIME_TO_FIRST_CHUNK, self._first_s)
        if self._chunks > 1:
            gap = (self._last_s - self._first_s) / (self._chunks - 1)
            self.measure(m.GEN_AI_CLIENT_INFERENCE_TIME_PER_OUTPUT_CHUNK, gap)
        super()._before_end(duration_s)
        if self.emitter.policy.gen_ai_metrics == "both":
            self._measurements.append((m.GEN_AI_CLIENT_OPERATION_DURATION, duration_s, None))


class Embedding(Call):
    """One call to an embedding model."""

    def usage(self, *, input_tokens: int | None = None) -> None:
        """Tell the tokens used; told again, the last word counts.

        Args:
            input_tokens: all input tokens.
        """
        self._use((input_tokens,))

    def answered(self, *, model: str | None = None) -> None:
        """Tell what came back.

        Args:
            model: the model that answered.
        """
        self.take(a.GEN_AI_RESPONSE_MODEL, model)


class Llm:
    """Language models."""

    def __init__(self, emitter: Emitter) -> None:
        self._emitter = emitter

    def chat(
        self,
        *,
        provider: str,
        model: str,
        streamed: bool | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        messages: Sequence[Mapping[str, Any]] | None = None,
        server_address: str | None = None,
        server_port: int | None = None,
    ) -> Chat:
        """Open a call to a chat model.

        Args:
            provider: as the conventions name it, such as `openai`.
            model: the model asked for.
            streamed: whether the answer comes in chunks.
            max_tokens: most tokens the answer may have.
            temperature: sampling temperature.
            messages: the messages sent; recorded only where content capture is on.
            server_address: host that is called.
            server_port: port that is called.
        """
        chat = Chat(self._emitter, _LEGACY if self._emitter.policy.gen_ai_metrics == "legacy" else _LATEST)
        _called(chat, "chat", provider, model, server_address, server_port)
        if streamed is not None:
            chat.take(a.GEN_AI_REQUEST_STREAM, streamed, "streamed")
        if max_tokens is not None:
            chat.take(a.GEN_AI_REQUEST_MAX_TOKENS, max_tokens)
        if temperature is not None:
            chat.take(a.GEN_AI_REQUEST_TEMPERATURE, temperature)
        if messages is not None and self._emitter.policy.capture_content:
            given = self._emitter.listed(chat.spec.call, "messages", "list of mappings", messages)
            chat.set(a.GEN_AI_INPUT_MESSAGES, _messages(given))
        return chat

    def embed(
        self,
        *,
        provider: str,
        model: str,
        inputs: int | None = None,
        server_address: str | None = None,
        server_port: int | None = None,
    ) -> Embedding:
        """Open a call to an embedding model.

        Args:
            provider: as the conventions name it.
            model: the model asked for.
            inputs: how many texts.
            server_address: host that is called.
            server_port: port that is called.
        """
        embedding = Embedding(self._emitter, spans.GEN_AI_CLIENT_EMBEDDINGS)
        _called(embedding, "embeddings", provider, model, server_address, server_port)
        return embedding.set(a.LLM_INPUTS, inputs)

    def record_chat(
        self,
        provider: str,
        model: str,
        duration_s: float,
        *,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cached_tokens: int | None = None,
        cache_write_tokens: int | None = None,
        reasoning_tokens: int | None = None,
        finish_reason: str | None = None,
        outcome: str = "",
        error: BaseException | str = "",
    ) -> None:
        """Record a call that was measured elsewhere. Tokens as in `Chat.usage`.

        Args:
            provider: as the conventions name it.
            model: the model asked for.
            duration_s: seconds.
            input_tokens: all input tokens.
            output_tokens: all output tokens.
            cached_tokens: input tokens read from a cache.
            cache_write_tokens: input tokens written to a cache.
            reasoning_tokens: output tokens of reasoning.
            finish_reason: why the model stopped.
            outcome: how it ended; success by default.
            error: the failure.
        """
        chat = self.chat(provider=provider, model=model)
        chat.usage(
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cached_tokens=cached_tokens,
            cache_write_tokens=cache_write_tokens,
            reasoning_tokens=reasoning_tokens,
        )
        chat.answered(finish_reason=finish_reason)
        chat.record(duration_s, outcome=outcome, error=error)

    def record_embedding(
        self,
        provider: str,
        model: str,
        duration_s: float,
        *,
        input_tokens: int | None = None,
        inputs: int | None = None,
        outcome: str = "",
        error: BaseException | str = "",
    ) -> None:
        """Record an embedding call that was measured elsewhere.

        Args:
            provider: as the conventions name it.
            model: the model asked for.
            duration_s: seconds.
            input_tokens: all input tokens.
            inputs: how many texts.
            outcome: how it ended; success by default.
            error: the failure.
        """
        embedding = self.embed(provider=provider, model=model, inputs=inputs)
        embedding.usage(input_tokens=input_tokens)
        embedding.record(duration_s, outcome=outcome, error=error)


def _called(call: Call, operation: str, provider: str, model: str, address: str | None, port: int | None) -> None:
    call.know(a.GEN_AI_OPERATION_NAME, operation)
    call.take(a.GEN_AI_PROVIDER_NAME, provider, "provider")
    call.take(a.GEN_AI_REQUEST_MODEL, model)
    if address is not None:
        call.take(a.SERVER_ADDRESS, address, "server_address")
    if port is not None:
        call.take(a.SERVER_PORT, port, "server_port")


def _messages(messages: Sequence[Any]) -> str:
    """Write messages in the form of the convention: a role and parts (`gen_ai.input.messages`), secrets masked."""
    written = [message if isinstance(message, Mapping) else {"content": message} for message in messages]
    return json.dumps(
        [
            {
                "role": text_of(message.get("role", "")),
                "parts": [{"type": "text", "content": scrub(text_of(message.get("content", "")))}],
            }
            for message in written
        ],
        ensure_ascii=False,
    )
