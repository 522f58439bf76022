"""What a peer's process can be asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Answers: TypeAlias = Mapping[str, Callable[..., Any]]
"""The questions it knows, by name; what is answered must be fit for JSON."""


class UnavailableError(Exception):
    """The peer has no such thing; the message says what is missing."""
