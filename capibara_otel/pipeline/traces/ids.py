"""Random ids of traces and spans, other ones in every process."""

from __future__ import annotations

import os
import random
from typing import Final

_random: Final = random.Random()  # noqa: S311 - ids must be unlike each other, not secret
# Not the module's functions: they repeat themselves where an app calls `random.seed`.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_random.seed)

random_bits: Final = _random.getrandbits
"""Random bits; one call that no other thread or signal handler can interrupt."""

TRACE_ID_END: Final = 1 << 128
SPAN_ID_END: Final = 1 << 64


def new_trace_id() -> int:
    """Return 128 random bits that are not all zero."""
    return random_bits(128) or new_trace_id()


def new_span_id() -> int:
    """Return 64 random bits that are not all zero."""
    return random_bits(64) or new_span_id()
