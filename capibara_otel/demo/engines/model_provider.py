"""What happens with each request to the local models: the reply, its tokens, its times, and whether it fails."""

from __future__ import annotations

import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from random import Random
from typing import Final

from capibara_otel.demo.engines.model_answers import Turn, answer, question_and_context
from capibara_otel.demo.engines.model_profiles import (
    CHAT_MODELS,
    DEFAULT_FAULTS,
    EMBEDDING_MODELS,
    ChatModel,
    EmbeddingModel,
    Fault,
    FaultShares,
    Incident,
)
from capibara_otel.demo.engines.model_prompt_cache import PromptCache
from capibara_otel.demo.engines.model_protocol import (
    ApiError,
    ChatRequest,
    Completion,
    EmbeddingRequest,
    FinishReason,
    Usage,
    unknown_model,
)
from capibara_otel.demo.engines.model_snippets import CodeShares
from capibara_otel.demo.engines.text import content_words, count_tokens, first_tokens, terms, tokens

_REASONING_S_PER_TOKEN: Final = 0.0002
_REASONING_STEP: Final = 64  # providers report reasoning in such steps
_TOKENS_PER_MESSAGE: Final = 4  # the marks around a message, as in OpenAI's chat format
_REFUSAL_S: Final = 0.004  # a rate limiter answers before any model is asked
_MAX_REMEMBERED: Final = 10_000
_EFFORT: Final = {None: 1.0, "none": 0.0, "minimal": 0.0, "low": 0.5, "medium": 1.0, "high": 2.0, "xhigh": 4.0}
_PIECE: Final = re.compile(r"\s*\S+\s*")


@dataclass(frozen=True, slots=True)
class ChatPlan:
    """The course of one chat request.

    Attributes:
        completion: the whole reply.
        chunks: the reply in the pieces in which it is streamed.
        first_token_s: seconds until the first piece, or the error.
        gaps_s: seconds before each further piece.
        error: what it is answered with instead; None if it works.
        cut: the connection ends after half of the reply.
    """

    completion: Completion
    chunks: tuple[str, ...]
    first_token_s: float
    gaps_s: tuple[float, ...]
    error: ApiError | None
    cut: bool


@dataclass(frozen=True, slots=True)
class EmbeddingPlan:
    """The course of one embedding request.

    Attributes:
        vectors: one of length 1 for each text.
        prompt_tokens: of all texts.
        seconds: until the answer or the error.
        error: what it is answered with instead; None if it works.
    """

    vectors: tuple[tuple[float, ...], ...]
    prompt_tokens: int
    seconds: float
    error: ApiError | None


class Provider:
    """The models and what they remember.

    Args:
        seed: decides times, faults and which programs are written.
        chat_models: those that answer.
        embedding_models: those that make vectors.
        faults: how often requests fail.
        incidents: times in which a model fails more often.
        code: how often written code is faulty.
        time_scale: factor of all times.
        retry_after_s: what a rate-limited client is told to wait.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        seed: int,
        *,
        chat_models: Mapping[str, ChatModel] = CHAT_MODELS,
        embedding_models: Mapping[str, EmbeddingModel] = EMBEDDING_MODELS,
        faults: FaultShares = DEFAULT_FAULTS,
        incidents: Sequence[Incident] = (),
        code: CodeShares | None = None,
        time_scale: float = 1.0,
        retry_after_s: float = 0.05,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._seed = seed
        self._chat_models = dict(chat_models)
        self._embedding_models = dict(embedding_models)
        self._faults = faults
        self._incidents = tuple(incidents)
        self._code = code if code is not None else CodeShares()
        self._time_scale = time_scale
        self._retry_after_s = retry_after_s
        self._clock = clock
        self._made_at = clock()
        self._prompts = PromptCache()
        self._asked: OrderedDict[str, int] = OrderedDict()

    @property
    def models(self) -> dict[str, int]:
        """The names of all models, with the time since when they are there, in seconds since 1970."""
        return dict.fromkeys((*self._chat_models, *self._embedding_models), int(self._made_at))

    def plan_chat(self, request: ChatRequest) -> ChatPlan:
        """Work out what happens with a chat request.

        Raises:
            ApiError: there is no such model.
        """
        model = self._chat_models.get(request.model)
        if model is None:
            raise unknown_model(request.model, tuple(self._chat_models))
        turns = [message.turn() for message in request.messages]
        key, random = self._random(request.model, *(f"{turn.role}\0{turn.text}" for turn in turns))
        error, fault = self._draw_fault(request.model, random)
        question, _ = question_and_context(turns)
        reasoning = _reasoning_tokens(model, question, _EFFORT[request.reasoning_effort])
        bound = request.output_bound or model.max_output_tokens
        reasoning = min(reasoning, bound)
        whole = answer(turns, max_sentences=model.sentences, random=random, code=self._code)
        text = first_tokens(whole, bound - reasoning)
        usage = self._usage(request.model, turns, text, reasoning, served=error is None)
        finish: FinishReason = "stop" if text == whole else "length"
        pieces = _PIECE.findall(text)
        size = model.words_per_chunk
        chunks = tuple("".join(pieces[start : start + size]) for start in range(0, len(pieces), size))
        thinking = model.first_token.sample(random) + reasoning * _REASONING_S_PER_TOKEN
        return ChatPlan(
            completion=Completion(f"chatcmpl-{key}", int(self._clock()), request.model, text, finish, usage),
            chunks=chunks,
            first_token_s=self._time_scale * (_REFUSAL_S if fault == "rate_limit" else thinking),
            gaps_s=tuple(self._time_scale * model.gap.sample(random) for _ in chunks[1:]),
            error=error,
            cut=fault == "cut",
        )

    def plan_embedding(self, request: EmbeddingRequest) -> EmbeddingPlan:
        """Work out what happens with an embedding request; it is never cut.

        Raises:
            ApiError: there is no such model.
        """
        model = self._embedding_models.get(request.model)
        if model is None:
            raise unknown_model(request.model, tuple(self._embedding_models))
        _, random = self._random(request.model, *request.texts)
        error, fault = self._draw_fault(request.model, random)
        dimensions = request.dimensions or model.dimensions
        seconds = _REFUSAL_S if fault == "rate_limit" else model.latency.sample(random)
        return EmbeddingPlan(
            vectors=tuple(hashed_vector(text, dimensions) for text in request.texts),
            prompt_tokens=count_tokens(request.texts),
            seconds=self._time_scale * seconds,
            error=error,
        )

    def _random(self, *parts: str) -> tuple[str, Random]:
        """Return a request's key and its randomness: the same for its n-th time in every run with the same seed."""
        digest = blake2b("\1".join(parts).encode("utf-8", "replace"), digest_size=12).hexdigest()
        count = self._asked.pop(digest, 0) + 1
        self._asked[digest] = count
        if len(self._asked) > _MAX_REMEMBERED:
            self._asked.popitem(last=False)
        return f"{digest}{count:04d}", Random(f"{self._seed}:{digest}:{count}")

    def _draw_fault(self, model: str, random: Random) -> tuple[ApiError | None, Fault | None]:
        elapsed = self._clock() - self._made_at
        faults = next(
            (
                incident.faults
                for incident in self._incidents
                if incident.model == model and incident.from_s <= elapsed < incident.until_s
            ),
            self._faults,
        )
        fault = faults.draw(random)
        errors = {
            "rate_limit": ApiError(
                429,
                f"Rate limit reached for {model}. Please try again in {self._retry_after_s * 1000:.0f}ms.",
                "requests",
                code="rate_limit_exceeded",
                retry_after_s=self._retry_after_s,
            ),
            "server_error": ApiError(500, "The server had an error while processing your request.", "server_error"),
            "unavailable": ApiError(503, "The engine is currently overloaded, please try again later.", "server_error"),
        }
        return (errors.get(fault) if fault else None), fault

    def _usage(self, model: str, turns: Sequence[Turn], text: str, reasoning: int, *, served: bool) -> Usage:
        """Count a request's tokens; one that is refused leaves nothing in the prompt cache."""
        prompt = tokens("\n".join(f"{turn.role}\n{turn.text}" for turn in turns))
        return Usage(
            prompt=len(prompt) + _TOKENS_PER_MESSAGE * len(turns),
            cached=self._prompts.cached_tokens(model, prompt) if served else 0,
            completion=count_tokens(text) + reasoning,
            reasoning=reasoning,
        )


def hashed_vector(text: str, dimensions: int) -> tuple[float, ...]:
    """Return a text's terms hashed into a vector of length 1, so that texts which share terms are near each other."""
    vector = [0.0] * dimensions
    for term in terms(text) or [text]:
        number = int.from_bytes(blake2b(term.encode("utf-8", "replace"), digest_size=8).digest(), "big")
        vector[(number >> 1) % dimensions] += 1.0 if number & 1 else -1.0
    length = math.hypot(*vector)
    if length == 0.0:  # opposite terms fell into one place
        vector[0] = length = 1.0
    return tuple(value / length for value in vector)


def _reasoning_tokens(model: ChatModel, question: str, effort: float) -> int:
    wanted = model.reasoning_tokens * effort * len(content_words(question))
    return _REASONING_STEP * math.ceil(wanted / _REASONING_STEP)
