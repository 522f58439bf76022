"""Remembers the beginnings of prompts, as providers do to bill a repeated prefix at a lower price."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b


class PromptCache:
    """Prefixes of the prompts seen so far, in blocks of tokens.

    Providers cache from 1,024 tokens in steps of 128; prompts of the demo are shorter, so its defaults are too.

    Args:
        block: tokens in a step.
        minimum: shortest prefix that counts, in tokens.
        max_blocks: how many prefixes are remembered; those used longest ago are forgotten.
    """

    def __init__(self, block: int = 32, minimum: int = 64, max_blocks: int = 20_000) -> None:
        self._block = block
        self._minimum = minimum
        self._max_blocks = max_blocks
        self._prefixes: OrderedDict[bytes, None] = OrderedDict()

    def cached_tokens(self, model: str, prompt: Sequence[str]) -> int:
        """Return how many leading tokens of a prompt this model has seen before, and remember all of its prefixes."""
        digest = blake2b(model.encode(), digest_size=16)
        cached = 0
        for end in range(self._block, len(prompt) + 1, self._block):
            digest.update("\0".join(prompt[end - self._block : end]).encode("utf-8", "replace"))
            prefix = digest.digest()
            if prefix in self._prefixes:
                cached = end
            self._prefixes[prefix] = None
            self._prefixes.move_to_end(prefix)
        while len(self._prefixes) > self._max_blocks:
            self._prefixes.popitem(last=False)
        return cached if cached >= self._minimum else 0
