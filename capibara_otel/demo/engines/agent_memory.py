"""What an agent remembers: facts by key, within a bound of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from capibara_otel.demo.engines.text import content_words, coverage


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing an agent knows.

    Attributes:
        key: what it is about; writing the same key again replaces it.
        text: the fact.
    """

    key: str
    text: str

    @property
    def size_bytes(self) -> int:
        """Bytes of key and text in UTF-8."""
        return len(self.key.encode()) + len(self.text.encode())


class FactTooLargeError(ValueError):
    """A fact that is larger than the whole memory."""


class AgentMemory:
    """Facts within a bound; the one that was not used for longest is forgotten for a new one.

    Args:
        max_bytes: bound of all facts together.
    """

    def __init__(self, max_bytes: int = 16_384) -> None:
        self._max_bytes = max_bytes
        self._facts: OrderedDict[str, Fact] = OrderedDict()
        self._size_bytes = 0

    @property
    def facts(self) -> tuple[Fact, ...]:
        """All facts, the one used longest ago first."""
        return tuple(self._facts.values())

    @property
    def size_bytes(self) -> int:
        """Bytes that all facts take."""
        return self._size_bytes

    def write(self, key: str, text: str) -> tuple[Fact, ...]:
        """Remember a fact, and return the facts that had to be forgotten for it.

        Raises:
            FactTooLargeError: the fact alone is over the bound.
        """
        fact = Fact(key, text)
        if fact.size_bytes > self._max_bytes:
            raise FactTooLargeError(
                f"fact '{key[:40]}' takes {fact.size_bytes} bytes, the memory holds {self._max_bytes}; shorten it"
            )
        self.forget(key)
        self._facts[key] = fact
        self._size_bytes += fact.size_bytes
        forgotten: list[Fact] = []
        while self._size_bytes > self._max_bytes:
            oldest = next(iter(self._facts.values()))
            self.forget(oldest.key)
            forgotten.append(oldest)
        return tuple(forgotten)

    def read(self, question: str, limit: int = 3) -> tuple[Fact, ...]:
        """Return the facts that cover most of a question's content words, best first, and count them as used.

        Args:
            question: what they should be about; facts that share no word with it are left out.
            limit: how many at most.
        """
        wanted = content_words(question)
        covered = ((coverage(wanted, content_words(f"{fact.key} {fact.text}")), fact) for fact in self._facts.values())
        found = sorted((pair for pair in covered if wanted and pair[0] > 0), key=lambda pair: (-pair[0], pair[1].key))
        best = tuple(fact for _, fact in found[:limit])
        for fact in reversed(best):
            self._facts.move_to_end(fact.key)
        return best

    def forget(self, key: str) -> bool:
        """Forget a fact, and tell whether it was known."""
        fact = self._facts.pop(key, None)
        if fact is None:
            return False
        self._size_bytes -= fact.size_bytes
        return True

    def restore(self, facts: Iterable[tuple[str, str]]) -> None:
        """Write saved (key, text) pairs again, in the order in which `facts` gives them."""
        for key, text in facts:
            self.write(key, text)
