"""What the local model server's models are like: how fast, how talkative, how reliable."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Final, Literal

Fault = Literal["rate_limit", "server_error", "unavailable", "cut"]

_SLOWEST_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Latency:
    """A log-normal time.

    Attributes:
        median_s: half of the samples are below; in seconds.
        spread: standard deviation of the logarithm; with 0.5 one in a hundred takes over three medians.
    """

    median_s: float
    spread: float

    def sample(self, random: Random) -> float:
        """Return one time in seconds, 5 at most."""
        return min(_SLOWEST_S, self.median_s * math.exp(random.gauss(0.0, self.spread)))


@dataclass(frozen=True, slots=True)
class ChatModel:
    """A model that answers.

    Attributes:
        first_token: time from the request to the first chunk.
        gap: time between chunks.
        sentences: how many sentences of the context an answer quotes at most.
        words_per_chunk: words that one streamed chunk carries.
        reasoning_tokens: hidden tokens a query of one content word costs; 0 for a model that does not reason.
        max_output_tokens: bound of reasoning and answer, when the request sets none.
    """

    first_token: Latency
    gap: Latency
    sentences: int
    words_per_chunk: int = 4
    reasoning_tokens: int = 0
    max_output_tokens: int = 2048


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """A model that turns text into vectors.

    Attributes:
        latency: time of a request.
        dimensions: length of a vector, when the request does not ask for fewer.
    """

    latency: Latency
    dimensions: int


@dataclass(frozen=True, slots=True)
class FaultShares:
    """How often requests fail, each a share of all requests from 0 to 1; together 1 at most.

    Attributes:
        rate_limit: answered 429 with `retry-after`.
        server_error: answered 500.
        unavailable: answered 503.
        cut: the connection ends in the middle of the answer.
    """

    rate_limit: float = 0.0
    server_error: float = 0.0
    unavailable: float = 0.0
    cut: float = 0.0

    def __post_init__(self) -> None:
        shares = self._shares()
        faults = [f"{name}={share}: give a share from 0 to 1" for name, share in shares.items() if not 0 <= share <= 1]
        if not faults and sum(shares.values()) > 1:
            faults = [f"all together are {sum(shares.values()):g}: give 1 at most"]
        if faults:
            raise ValueError(f"FaultShares({'; '.join(faults)})")

    def draw(self, random: Random) -> Fault | None:
        """Return what goes wrong with a request, mostly nothing."""
        left = random.random()
        for name, share in self._shares().items():
            left -= share
            if left < 0:
                return name
        return None

    def _shares(self) -> dict[Fault, float]:
        return {
            "rate_limit": self.rate_limit,
            "server_error": self.server_error,
            "unavailable": self.unavailable,
            "cut": self.cut,
        }


@dataclass(frozen=True, slots=True)
class Incident:
    """A time in which one model fails more than usual.

    Attributes:
        model: whose requests.
        from_s: beginning, in seconds since the server was made.
        until_s: end.
        faults: what holds instead of the usual shares.
    """

    model: str
    from_s: float
    until_s: float
    faults: FaultShares


CHAT_MODELS: Final[Mapping[str, ChatModel]] = MappingProxyType(
    {
        "gpt-5-nano": ChatModel(Latency(0.025, 0.45), Latency(0.002, 0.5), sentences=2),
        "capibara6-20b": ChatModel(Latency(0.040, 0.5), Latency(0.003, 0.5), sentences=3),
        "gpt-5-mini": ChatModel(Latency(0.060, 0.55), Latency(0.004, 0.6), sentences=4, reasoning_tokens=8),
        "gpt-5": ChatModel(Latency(0.120, 0.6), Latency(0.006, 0.6), sentences=6, reasoning_tokens=24),
    }
)
EMBEDDING_MODELS: Final[Mapping[str, EmbeddingModel]] = MappingProxyType(
    {
        "text-embedding-3-small": EmbeddingModel(Latency(0.012, 0.4), dimensions=256),
    }
)
DEFAULT_FAULTS: Final = FaultShares(rate_limit=0.008, server_error=0.004, unavailable=0.004, cut=0.004)
