"""Masks secrets in texts.

Most texts hold none. Each kind of secret has a shape that is quickly seen to be missing, so its words are looked for
only in a text of that shape, and its pattern is tried only where a word was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from capibara_otel.redaction.kinds import ANY, CARD, DIGITS, KINDS, RUN, SIGN, Kind

_LONGEST: Final = 32_768


# Tables for `bytes.translate`: `x` for what is looked for, a dot for everything else. What is not ASCII stands as `?`,
# for it may be a digit of another script.
_IN_RUNS: Final = bytes(
    ord("x") if code in b"abcdefghijklmnopqrstuvwxyz0123456789_-" else ord(".") for code in range(256)
)
_IN_CARDS: Final = bytes(
    ord("x") if code in b"0123456789?" else code if code in b" -" else ord(".") for code in range(256)
)
_LONG_RUN: Final = "x" * 15
_FOUR_DIGITS: Final = "x" * 4
_CARDS: Final = ("x" * 13, "xxxx xxxx xxxx x", "xxxx-xxxx-xxxx-x", "xxxx xxxxxx xxxx", "xxxx-xxxxxx-xxxx")
_UNDERSCORE: Final = 16
_HYPHEN: Final = 32
"""A text with a long run that has the character; without it no word with it need be looked for."""


def _words(shapes: int) -> Sequence[str]:
    """Return the words that are worth looking for in a text of some shapes."""
    found = list(dict.fromkeys(word for kind in KINDS if kind.shape & shapes for word in kind.words))
    if shapes & RUN:
        missing = [sign for sign, shape in (("_", _UNDERSCORE), ("-", _HYPHEN)) if not shapes & shape]
        found = [word for word in found if not any(sign in word for sign in missing)]
    return tuple(found)


_WORDS: Final = tuple(_words(shapes) for shapes in range(2 * _HYPHEN))


def scrub(text: str) -> str:
    """Return a text with keys, tokens, card numbers, mail addresses and credentials in URLs masked, fit to be written.

    Args:
        text: any text; what is longer than 32,768 characters is cut there first, for a bounded cost.
    """
    text = _fit(text)
    kinds = _suspects(text)
    return _masked(text, kinds) if kinds else text


def scrub_each(texts: dict[str, str]) -> dict[str, str]:
    """Return several texts, each scrubbed; the very mapping that was given where none of them has to change.

    It looks at all of them at once, which for the values of a line costs hardly more than one of them.

    Args:
        texts: texts by any name.
    """
    joined = "\n".join(texts.values())
    if len(joined) > _LONGEST or (not joined.isascii() and writable(joined) is not joined):
        texts = {name: _fit(text) for name, text in texts.items()}
        joined = "\n".join(texts.values())
    kinds = _suspects(joined)
    return {name: _masked(text, kinds) for name, text in texts.items()} if kinds else texts


def writable(text: str) -> str:
    """Return a text that every outlet can encode: lone surrogates, as in odd file names, are written out."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="backslashreplace").decode()
    return text


def _fit(text: str) -> str:
    return writable(text if len(text) <= _LONGEST else text[:_LONGEST] + "…")


def _suspects(text: str) -> Sequence[Kind]:
    """Return the kinds of secrets that may be in a text, in their order; none that is in it is left out."""
    lower = text.lower()
    shapes = _shapes(lower)
    for word in _WORDS[shapes]:
        if word in lower:
            break
    else:
        if not shapes & DIGITS or not CARD.search(text):
            return ()
    found = {word for word in _WORDS[shapes] if word in lower}
    # What one kind masks may lay bare the card beside it.
    return [kind for kind in KINDS if kind.shape & shapes and (not kind.words or not found.isdisjoint(kind.words))]


def _shapes(lower: str) -> int:
    plain = lower.encode("ascii", "replace")
    shapes = ANY if "=" not in lower and ":" not in lower else ANY | SIGN
    if _LONG_RUN in plain.translate(_IN_RUNS).decode():
        shapes |= RUN
        if "_" in lower:
            shapes |= _UNDERSCORE
        if "-" in lower:
            shapes |= _HYPHEN
    digits = plain.translate(_IN_CARDS).decode()
    if _FOUR_DIGITS in digits:
        for card in _CARDS:
            if card in digits:
                shapes |= DIGITS
                break
    return shapes


def _masked(text: str, kinds: Sequence[Kind]) -> str:
    lower = text.lower()
    for kind in kinds:
        if not kind.words:
            text = kind.mask(text)
        for word in kind.words:
            if word in lower:
                text = kind.mask(text)
                break
    return text
