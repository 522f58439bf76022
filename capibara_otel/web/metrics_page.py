"""Serves the metrics page on the app's own port."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Final

from capibara_otel._safety import shield
from capibara_otel.pipeline.token import admits
from capibara_otel.web.asgi import Receive, Scope, Send
from capibara_otel.web.headers import headers_of, text
from capibara_otel.web.options import MetricsPage, Page

_METHODS: Final = frozenset({"GET", "HEAD"})
_PLAIN: Final = b"text/plain; charset=utf-8"


class AppMetricsPage:
    """An ASGI app of one page.

    Args:
        page: renders it.
        token: bearer token to ask for; None for none.
        guard: keeps faults of rendering from the server.
    """

    def __init__(self, page: MetricsPage, token: str | None, guard: shield) -> None:
        self._page: Final = page
        self._token: Final = token
        self._guard: Final = guard

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer a request."""
        headers = dict(headers_of(scope))
        if scope["method"] not in _METHODS:
            await _answer(scope, send, HTTPStatus.METHOD_NOT_ALLOWED, extra=[(b"allow", b"GET, HEAD")])
            return
        if not admits(self._token, text(headers, b"authorization")):
            await _answer(scope, send, HTTPStatus.UNAUTHORIZED, extra=[(b"www-authenticate", b"Bearer")])
            return
        page: Page | None = None
        with self._guard:
            accept, accept_encoding = text(headers, b"accept"), text(headers, b"accept-encoding")
            # Writing the page takes long enough to be felt by other requests on this event loop.
            page = await asyncio.to_thread(self._page.render, accept, accept_encoding)
        if page is None:
            await _answer(scope, send, HTTPStatus.INTERNAL_SERVER_ERROR)
            return
        extra = [(b"content-encoding", page.content_encoding.encode())] if page.content_encoding else []
        extra.append((b"vary", b"accept, accept-encoding"))
        await _answer(scope, send, HTTPStatus.OK, page.body, page.content_type.encode(), extra)


async def _answer(
    scope: Scope,
    send: Send,
    status: HTTPStatus,
    body: bytes | None = None,
    content_type: bytes = _PLAIN,
    extra: list[tuple[bytes, bytes]] | None = None,
) -> None:
    content = status.phrase.encode() + b"\n" if body is None else body
    length = (b"content-length", str(len(content)).encode())
    headers = [(b"content-type", content_type), length, (b"cache-control", b"no-store"), *(extra or ())]
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else content})
