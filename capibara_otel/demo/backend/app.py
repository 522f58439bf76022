"""The HTTP surface. The two lines that observe it all stand in `create_app`."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Annotated, Any, Final, Literal

from fastapi import BackgroundTasks, FastAPI, HTTPException, Query, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, Field

import capibara_otel as cap
from capibara_otel.demo.backend.knowledge import Knowledge
from capibara_otel.demo.backend.mind import Mind
from capibara_otel.demo.backend.models import Models, ModelUnavailableError
from capibara_otel.demo.backend.runner import Runner
from capibara_otel.demo.backend.settings import BackendSettings
from capibara_otel.demo.engines.passages import Passage

Tier = Literal["free", "pro", "enterprise"]
_ACTIVE_S: Final = 30.0


class Question(BaseModel):
    """What a user asks."""

    text: str = Field(min_length=3, max_length=2000)
    user_id: str = Field(min_length=1, max_length=64)
    tier: Tier = "free"
    session_id: str | None = None


class Feedback(BaseModel):
    """What a user thought of an answer."""

    user_id: str
    tier: Tier = "free"
    query_type: str = "question"
    score: float = Field(ge=1, le=5)


class Document(BaseModel):
    """A text to be found from now on."""

    title: str = Field(min_length=1, max_length=200)
    text: str


class ActiveUsers:
    """Users seen lately, by tier."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, float]] = {}
        self._scores: deque[float] = deque(maxlen=200)

    def saw(self, user_id: str, tier: str) -> None:
        """Take note of a user."""
        now = time.monotonic()
        users = self._seen.setdefault(tier, {})
        users[user_id] = now
        for stale in [name for name, seen in users.items() if seen < now - _ACTIVE_S]:
            del users[stale]
        cap.business.users(tier=tier, active=len(users))

    def scored(self, score: float) -> None:
        """Take note of a score."""
        self._scores.append(score)
        accepted = sum(score >= 4 for score in self._scores)  # noqa: PLR2004 - of five
        cap.business.kpi("answers_accepted", accepted / len(self._scores))


def create_app(settings: BackendSettings | None = None) -> FastAPI:
    """Return the backend, observed.

    Args:
        settings: by default what the environment says.
    """
    settings = settings or BackendSettings.from_environment()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        models = Models(settings.model_url)
        knowledge, runner = Knowledge(models), Runner()
        app.state.passages = await asyncio.to_thread(knowledge.load, settings)
        app.state.knowledge, app.state.users = knowledge, ActiveUsers()
        app.state.mind = Mind(models, knowledge, runner)
        yield
        await asyncio.gather(knowledge.aclose(), runner.aclose())
        await models.aclose()

    app = FastAPI(title="capibara-otel demo", lifespan=lifespan)

    cap.configure(service_name="capibara-demo", excluded_urls=["/health"])
    cap.instrument_fastapi(app)

    _add_routes(app)
    return app


def _add_routes(app: FastAPI) -> None:  # noqa: C901 - a list of routes
    @app.exception_handler(ModelUnavailableError)
    async def unavailable(_request: Request, error: ModelUnavailableError) -> JSONResponse:
        return JSONResponse({"detail": f"no model answered: {error}"}, 503, {"Retry-After": "1"})

    @app.get("/health")
    async def health() -> dict[str, Any]:
        return {"passages": app.state.passages, "indexes": app.state.knowledge.indexes}

    @app.get("/api/v1/topics")
    async def topics(count: Annotated[int, Query(ge=1, le=5000)] = 500, seed: int = 7) -> list[str]:
        found: list[str] = app.state.knowledge.topics(count, seed)
        return found

    @app.post("/api/v1/query")
    async def query(question: Question, background: BackgroundTasks) -> dict[str, Any]:
        mind: Mind = app.state.mind
        app.state.users.saw(question.user_id, question.tier)
        with (
            cap.context(user_id=question.user_id, session_id=question.session_id, tenant=question.tier),
            cap.business.query(query_type=mind.kind(question.text), tier=question.tier),
        ):
            reply, draft = await mind.answer(question.text)
        if draft is not None:
            background.add_task(mind.learn, draft, reply)
        return asdict(reply)

    @app.post("/api/v1/query/stream")
    async def stream(question: Question) -> StreamingResponse:
        mind: Mind = app.state.mind
        app.state.users.saw(question.user_id, question.tier)

        async def events() -> AsyncIterator[str]:
            with cap.context(user_id=question.user_id, session_id=question.session_id, tenant=question.tier):
                try:
                    async for piece in mind.stream(question.text):
                        yield f"data: {piece}\n\n"
                except ModelUnavailableError as error:
                    yield f"event: error\ndata: {error}\n\n"
                    return
            yield "data: [DONE]\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    @app.post("/api/v1/feedback", status_code=204)
    async def feedback(given: Feedback) -> None:
        cap.business.satisfaction(given.score, query_type=given.query_type, tier=given.tier)
        app.state.users.scored(given.score)

    @app.post("/api/v1/documents", status_code=201)
    async def documents(document: Document) -> dict[str, int]:
        passage = Passage(document.title, document.title, "uploads", document.text)
        await asyncio.to_thread(app.state.knowledge.ingest, "uploads", [passage])
        return {"passages": 1}

    @app.get("/api/v1/agents/{domain}")
    async def agents(domain: str) -> list[dict[str, Any]]:
        mind: Mind = app.state.mind
        if domain not in mind.domains:
            raise HTTPException(404, f"no agents for {domain!r}; there are {', '.join(mind.domains)}")
        return [
            {"id": agent.id, "graduated": agent.graduated, "interactions": agent.interactions}
            for agent in mind.agents(domain)
        ]

    @app.websocket("/ws/chat")
    async def chat(socket: WebSocket) -> None:
        await socket.accept()
        try:
            while True:
                text = await socket.receive_text()
                try:
                    async for piece in app.state.mind.stream(text):
                        await socket.send_text(piece)
                except ModelUnavailableError as error:
                    await socket.send_text(f"[ERROR] {error}")
                await socket.send_text("[DONE]")
        except WebSocketDisconnect:
            return
