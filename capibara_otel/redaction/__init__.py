"""Keeps secrets out of everything that is stored or sent: one place for spans, logs and messages."""

from __future__ import annotations

from capibara_otel.redaction.kinds import MASK
from capibara_otel.redaction.names import sensitive
from capibara_otel.redaction.texts import scrub, scrub_each, writable
from capibara_otel.redaction.values import scrub_value, text_of

__all__ = ["MASK", "scrub", "scrub_each", "scrub_value", "sensitive", "text_of", "writable"]
