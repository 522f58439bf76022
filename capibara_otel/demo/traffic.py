"""Users who ask over HTTP and WebSocket, give feedback, upload texts, lose patience and make mistakes."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import httpx
import websockets

_TIERS: Final = ("free", "free", "free", "pro", "pro", "enterprise")
_SERVER_ERROR: Final = 500
_TASKS: Final = (
    "Write a Python script that counts the words of: {title}.",
    "Write a Python program that prints the primes up to {number} and explains {title}.",
    "Write a bash script that prints {number} and the words {title}.",
)
_QUESTIONS: Final = (
    "What does {title} do?",
    "How do I use {title} and when should I not?",
    "Explain step by step why {title} behaves as it does, and compare it with its alternatives, because I must decide.",
)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request as its user saw it."""

    what: str
    """Method and path."""
    seconds: float
    status: int
    """0 when the connection broke."""
    trace_id: str
    detail: str = ""
    wanted: bool = True
    """False for mistakes made on purpose, whose refusal is right."""

    @property
    def failed(self) -> bool:
        """Whether the server let its user down."""
        return self.wanted and (self.status == 0 or self.status >= _SERVER_ERROR)


@dataclass(slots=True)
class Tally:
    """What happened so far."""

    exchanges: list[Exchange] = field(default_factory=list)
    impatient: int = 0

    @property
    def failed(self) -> list[Exchange]:
        """The exchanges that failed."""
        return [exchange for exchange in self.exchanges if exchange.failed]


class Traffic:
    """Users of one backend.

    Args:
        url: the backend's address.
        topics: what there is to ask about.
        seed: decides what they do.
        tally: where it is written down.
    """

    def __init__(self, url: str, topics: Sequence[str], seed: int, tally: Tally) -> None:
        self._url = url
        self._topics = topics
        self._seed = seed
        self._tally = tally
        self._stop = asyncio.Event()

    async def run(self, users: int, seconds: float) -> None:
        """Let users act at the same time until the time is up; each ends what it began."""
        limits = httpx.Limits(max_connections=users * 2)
        async with httpx.AsyncClient(base_url=self._url, timeout=30, limits=limits) as client:
            tasks = [asyncio.create_task(self._user(number, client)) for number in range(users)]
            try:
                await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
                self._stop.set()
                await asyncio.gather(*tasks)
            finally:  # interrupted or failed: no user is left behind
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _user(self, number: int, client: httpx.AsyncClient) -> None:
        user = _User(number, Random(self._seed * 1000 + number), client, self._url, self._topics, self._tally)
        await asyncio.sleep(number * 0.05)
        while not self._stop.is_set():
            await user.act()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), user.pause())


class _User:
    def __init__(
        self,
        number: int,
        random: Random,
        client: httpx.AsyncClient,
        url: str,
        topics: Sequence[str],
        tally: Tally,
    ) -> None:
        self._id = f"user_{number}"
        self._tier = _TIERS[number % len(_TIERS)]
        self._random = random
        self._client = client
        self._url = url
        self._topics = topics
        self._tally = tally
        self._acts: tuple[tuple[float, Callable[[], Awaitable[None]]], ...] = (
            (0.50, self._ask),
            (0.16, self._ask_for_code),
            (0.10, self._listen),
            (0.04, self._lose_patience),
            (0.05, self._talk),
            (0.07, self._rate),
            (0.03, self._upload),
            (0.05, self._err),
        )

    def pause(self) -> float:
        return self._random.expovariate(12)

    async def act(self) -> None:
        drawn = self._random.random()
        for share, act in self._acts:
            drawn -= share
            if drawn < 0:
                await act()
                return
        await self._ask()

    # --- what users do

    async def _ask(self) -> None:
        await self._post("/api/v1/query", self._question(self._random.choice(_QUESTIONS)))

    async def _ask_for_code(self) -> None:
        await self._post("/api/v1/query", self._question(self._random.choice(_TASKS)))

    async def _rate(self) -> None:
        score = self._random.choice((2.0, 3.5, 4.0, 4.5, 5.0, 5.0))
        body = {"user_id": self._id, "tier": self._tier, "query_type": "question", "score": score}
        await self._post("/api/v1/feedback", body)

    async def _upload(self) -> None:
        number = self._random.randrange(10_000)
        text = f"Note {number}. " + " ".join(self._random.choices(self._topics, k=30))
        await self._post("/api/v1/documents", {"title": f"note {number}", "text": text})

    async def _err(self) -> None:
        what = self._random.randrange(5)
        if what == 0:
            await self._post("/api/v1/query", {"text": "?"}, wanted=False)
        elif what == 1:
            await self._get("/api/v1/agents/astrology", wanted=False)
        elif what == 2:  # noqa: PLR2004 - one of the mistakes
            await self._get(f"/no/such/page/{self._random.randrange(10_000)}", wanted=False)
        elif what == 3:  # noqa: PLR2004 - one of the mistakes
            await self._post("/api/v1/documents", {"title": "empty", "text": " "}, wanted=False)
        else:
            await self._get("/api/v1/agents/python")

    async def _listen(self) -> None:
        await self._stream(pieces=None)

    async def _lose_patience(self) -> None:
        await self._stream(pieces=2)
        self._tally.impatient += 1

    async def _talk(self) -> None:
        headers, trace_id = self._headers()
        began = time.perf_counter()
        status, detail = 101, ""
        try:
            async with websockets.connect(
                self._url.replace("http", "ws", 1) + "/ws/chat", additional_headers=headers
            ) as socket:
                for _ in range(self._random.randint(1, 2)):
                    await socket.send(self._question(self._random.choice(_QUESTIONS))["text"])
                    while (text := str(await asyncio.wait_for(socket.recv(), 30))) != "[DONE]":
                        if text.startswith("[ERROR]"):
                            status, detail = 0, text
        except (websockets.WebSocketException, OSError, TimeoutError) as error:
            status, detail = 0, type(error).__name__
        self._note("WS /ws/chat", began, status, trace_id, detail)

    # --- how

    def _question(self, form: str) -> dict[str, Any]:
        # Squaring favours a few topics, as people do, so that the cache has something to hit.
        place = int(self._random.random() ** 3 * len(self._topics))
        text = form.format(title=self._topics[place], number=self._random.choice((30, 100, 250)))
        return {"text": text, "user_id": self._id, "tier": self._tier, "session_id": f"{self._id}-s1"}

    def _headers(self) -> tuple[dict[str, str], str]:
        # Not from the seed: two runs must not share traces.
        trace_id = secrets.token_hex(16)
        return {"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01"}, trace_id

    def _note(self, what: str, began: float, status: int, trace_id: str, detail: str, *, wanted: bool = True) -> None:
        seconds = time.perf_counter() - began
        self._tally.exchanges.append(Exchange(what, seconds, status, trace_id, detail, wanted))

    async def _post(self, path: str, body: dict[str, Any], *, wanted: bool = True) -> None:
        await self._send("POST", path, wanted=wanted, json=body)

    async def _get(self, path: str, *, wanted: bool = True) -> None:
        await self._send("GET", path, wanted=wanted)

    async def _send(self, method: str, path: str, *, wanted: bool, **how: Any) -> None:
        headers, trace_id = self._headers()
        began = time.perf_counter()
        try:
            answer = await self._client.request(method, path, headers=headers, **how)
        except httpx.TransportError as error:
            self._note(f"{method} {path}", began, 0, trace_id, type(error).__name__, wanted=wanted)
            return
        detail = answer.text[:120] if answer.status_code >= _SERVER_ERROR else ""
        self._note(f"{method} {path}", began, answer.status_code, trace_id, detail, wanted=wanted)

    async def _stream(self, pieces: int | None) -> None:
        path = "/api/v1/query/stream"
        headers, trace_id = self._headers()
        began = time.perf_counter()
        status, detail, seen = 0, "", 0
        try:
            body = self._question(self._random.choice(_QUESTIONS))
            async with self._client.stream("POST", path, json=body, headers=headers) as answer:
                status = answer.status_code
                async for line in answer.aiter_lines():
                    if line.startswith("event: error"):
                        status, detail = 0, "the stream told of an error"
                    seen += 1
                    if pieces is not None and seen > pieces:
                        break
        except httpx.TransportError as error:
            status, detail = 0, type(error).__name__
        self._note(f"POST {path}", began, status, trace_id, detail, wanted=pieces is None)
