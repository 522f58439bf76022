"""How the demo cuts text: terms for search, content words for overlap, tokens for counting, sentences for quoting."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

STOP_WORDS: Final = frozenset(
    """a about after all also an and any are as at be because been before being between both but by can could did do
    does doing each few for from further had has have having he her here hers him his how i if in into is it its itself
    just me more most my no nor not now of off on once only or other our out over own same she should so some such than
    that the their them then there these they this those through to too under until up us very was we were what when
    where which while who whom why will with would you your""".split()  # noqa: SIM905 - fifty lines of quotes read worse
)

_WORD: Final = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*|\d+")
_PART: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[^\W_A-Za-z]+")
# Byte-pair vocabularies keep short words whole and cut long ones: this lands near four characters a token.
_TOKEN: Final = re.compile(r"[^\W\d_]{1,7}|\d{1,3}|_+|[^\w\s]")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+(?=[\"'`(\[]?[A-Z0-9])|\n\s*\n|\n(?=\s*(?:[-*#]|>>>|\d+\.)\s)")
_PLURAL_MIN: Final = 4


def _fold(word: str) -> str:
    """Lower a word and drop a plural `s`, so that `Files` finds `file`; identifiers with `_` stay whole."""
    word = word.lower()
    plural = len(word) >= _PLURAL_MIN and word.endswith("s") and not word.endswith(("ss", "us", "is"))
    return word[:-1] if plural and word.isalpha() else word


@lru_cache(maxsize=100_000)
def _terms_of_word(word: str) -> tuple[str, ...]:
    """Return one written word as search terms: the identifier itself and the words it is made of."""
    whole = _fold(word)
    if whole.isalpha() and word[1:].islower():
        return () if whole in STOP_WORDS else (whole,)
    parts = {_fold(part) for part in _PART.findall(word)} - STOP_WORDS - {whole}
    own = () if whole in STOP_WORDS else (whole,)
    return own + tuple(sorted(part for part in parts if len(part) > 1))


def terms(text: str) -> list[str]:
    """Return the search terms of a text in order, with repetitions.

    Identifiers are kept whole and also give their parts: `os.path.join` yields itself, `os`, `path` and `join`.
    """
    found: list[str] = []
    for word in _WORD.findall(text):
        found.extend(_terms_of_word(word))
    return found


def content_words(text: str) -> frozenset[str]:
    """Return the distinct terms of a text: what it is about, without the words that hold sentences together."""
    return frozenset(terms(text))


def similarity(left: frozenset[str], right: frozenset[str]) -> float:
    """Return the Jaccard similarity of two sets of content words, 0 (nothing shared) to 1 (the same)."""
    union = len(left | right)
    return len(left & right) / union if union else 0.0


def coverage(wanted: frozenset[str], given: frozenset[str]) -> float:
    """Return the share of the wanted words that are given, 0 to 1; nothing wanted is fully covered."""
    return len(wanted & given) / len(wanted) if wanted else 1.0


def tokens(text: str) -> list[str]:
    """Return a text as the demo counts it: pieces of words, numbers and marks, near a model's own tokens."""
    return _TOKEN.findall(text)


def count_tokens(texts: str | Iterable[str]) -> int:
    """Return how many tokens one text or several have together."""
    return len(tokens(texts)) if isinstance(texts, str) else sum(len(tokens(text)) for text in texts)


def first_tokens(text: str, count: int) -> str:
    """Return the beginning of a text that has `count` tokens, or all of it when it has no more."""
    end = 0
    for number, token in enumerate(_TOKEN.finditer(text)):
        if number == count:
            return text[:end]
        end = token.end()
    return text


def sentences(text: str) -> list[str]:
    """Return the sentences and list items of a text, each on one line, in order."""
    return [" ".join(piece.split()) for piece in _SENTENCE_END.split(text) if piece.strip()]
