"""The part of OpenAI's HTTP API that the local model server speaks: requests, answers, errors.

Shapes after OpenAI's API reference for chat completions, embeddings, models and errors.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from capibara_otel.demo.engines.model_answers import Turn

FinishReason = Literal["stop", "length"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]

DONE: Final = "data: [DONE]\n\n"


class TextPart(BaseModel):
    """One part of a message's content; parts that are no text are ignored."""

    type: str
    text: str = ""


class Message(BaseModel):
    """One message of a chat request."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None

    def turn(self) -> Turn:
        """Return the message with its text parts joined."""
        if isinstance(self.content, list):
            return Turn(self.role, "\n".join(part.text for part in self.content if part.type == "text"))
        return Turn(self.role, self.content or "")


class StreamOptions(BaseModel):
    """How to stream."""

    include_usage: bool = False


class ChatRequest(BaseModel):
    """A chat completion request; what the server has no use for, such as `temperature`, is ignored."""

    model: str
    messages: list[Message] = Field(min_length=1)
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_completion_tokens: int | None = Field(default=None, ge=1)
    max_tokens: int | None = Field(default=None, ge=1)
    reasoning_effort: Effort | None = None
    n: Literal[1] | None = None

    @property
    def output_bound(self) -> int | None:
        """The bound of output tokens that the request sets, under its new or its old name."""
        return self.max_completion_tokens or self.max_tokens


class EmbeddingRequest(BaseModel):
    """An embedding request."""

    model: str
    input: str | list[str]
    dimensions: int | None = Field(default=None, ge=1, le=3072)
    encoding_format: Literal["float", "base64"] = "float"

    @property
    def texts(self) -> list[str]:
        """The texts to embed, also where there is one."""
        return [self.input] if isinstance(self.input, str) else self.input


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one chat completion.

    Attributes:
        prompt: of the request.
        cached: those of `prompt` that repeat an earlier beginning.
        completion: of the reply, `reasoning` included.
        reasoning: hidden ones.
    """

    prompt: int
    cached: int
    completion: int
    reasoning: int

    def as_json(self) -> dict[str, Any]:
        """Return the `usage` object."""
        return {
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
            "prompt_tokens_details": {"cached_tokens": self.cached, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": self.reasoning,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }


@dataclass(frozen=True, slots=True)
class Completion:
    """A finished chat completion.

    Attributes:
        id: as OpenAI's, `chatcmpl-` and more.
        created: seconds since 1970.
        model: who answered.
        text: the reply.
        finish_reason: `length` if the bound cut it.
        usage: its tokens.
    """

    id: str
    created: int
    model: str
    text: str
    finish_reason: FinishReason
    usage: Usage

    def as_json(self) -> dict[str, Any]:
        """Return the `chat.completion` object."""
        message: dict[str, Any] = {"role": "assistant", "content": self.text, "refusal": None, "annotations": []}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self.finish_reason}
        return {**self._head("chat.completion"), "choices": [choice], "usage": self.usage.as_json()}

    def event(self, delta: dict[str, str], *, finish: bool = False, usage: bool = False) -> str:
        """Return a `chat.completion.chunk` object as a server-sent event.

        Args:
            delta: what the chunk adds.
            finish: it is the last one of the choice.
            usage: the stream ends with usage, so say in this one that it has none yet.
        """
        choice = {
            "index": 0,
            "delta": delta,
            "logprobs": None,
            "finish_reason": self.finish_reason if finish else None,
        }
        more = {"usage": None} if usage else {}
        return _event({**self._head("chat.completion.chunk"), "choices": [choice], **more})

    def usage_event(self) -> str:
        """Return the last chunk of a stream that was asked to include usage."""
        return _event({**self._head("chat.completion.chunk"), "choices": [], "usage": self.usage.as_json()})

    def _head(self, kind: str) -> dict[str, Any]:
        head = {"id": self.id, "object": kind, "created": self.created, "model": self.model}
        return head | {"service_tier": "default", "system_fingerprint": "fp_local"}


class ApiError(Exception):
    """A request that is answered with an error.

    Args:
        status: of the response.
        message: for the developer.
        kind: OpenAI's `type`.
        param: which field of the request is wrong.
        code: OpenAI's `code`.
        retry_after_s: when it makes sense to try again.
    """

    def __init__(
        self,
        status: int,
        message: str,
        kind: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self._body = {"error": {"message": message, "type": kind, "param": param, "code": code}}
        self._retry_after_s = retry_after_s

    def response(self) -> JSONResponse:
        """Return it as OpenAI's error object, with `retry-after` in seconds (rounded up) and milliseconds."""
        headers: dict[str, str] = {}
        if self._retry_after_s is not None:
            milliseconds = max(1, round(self._retry_after_s * 1000))
            headers = {"retry-after": str(math.ceil(self._retry_after_s)), "retry-after-ms": str(milliseconds)}
        return JSONResponse(self._body, self.status, headers)


def unknown_model(model: str, known: Sequence[str]) -> ApiError:
    """Return the error for a model the server does not have, naming those it has."""
    message = f"The model `{model}` does not exist; this server has {', '.join(known)}"
    return ApiError(404, message, "invalid_request_error", param="model", code="model_not_found")


def invalid_request(faults: Sequence[tuple[str, str]]) -> ApiError:
    """Return the error for a request whose fields are wrong, naming all of them as (field, what is wrong)."""
    message = "; ".join(f"{field}: {what}" for field, what in faults)
    return ApiError(400, message, "invalid_request_error", param=faults[0][0] if faults else None)


def _event(body: dict[str, Any]) -> str:
    return f"data: {json.dumps(body, separators=(',', ':'))}\n\n"
