"""What the web layer is told, and what it needs from others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class WebOptions:
    """Settings of the wrapper around an app."""

    metrics_path: str = "/metrics"
    """Where the metrics page is served; empty for nowhere."""
    metrics_token: str | None = None
    """Bearer token the page asks for; None for none."""
    excluded_urls: tuple[str, ...] = ()
    """Regular expressions, searched in the path: no span and no metric of such requests."""
    capture_request_headers: tuple[str, ...] = ()
    """Names of request headers to put on the span, redacted."""
    capture_response_headers: tuple[str, ...] = ()
    """Names of response headers to put on the span, redacted."""


class Page(Protocol):
    """A rendered metrics page."""

    @property
    def body(self) -> bytes:
        """The page as it goes over the wire."""

    @property
    def content_type(self) -> str:
        """Value of `Content-Type`."""

    @property
    def content_encoding(self) -> str | None:
        """Value of `Content-Encoding`, if it is encoded."""


class MetricsPage(Protocol):
    """Renders the metrics page. Called in a worker thread."""

    def render(self, accept: str | None = None, accept_encoding: str | None = None) -> Page:
        """Return the page in the best format for the request's `Accept` and `Accept-Encoding` headers."""


class Lifecycle(Protocol):
    """Told when the app has started and when it is about to be gone."""

    def startup(self) -> None:
        """The app has started. May be called more than once, and not at all by servers without lifespan."""

    async def shutdown(self) -> None:
        """The app has shut down and the server waits: send what is left, within an own deadline."""
