"""Cuts documents into passages: long ones at their paragraphs, short neighbours joined."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

# A passage aims at TARGET words and never has more than MAX. An entry of OWN words or more (one function's
# documentation) is a passage of its own, for that is what a question is about; shorter neighbours share one.
MAX_WORDS: Final = 200
TARGET_WORDS: Final = 100
SHARED_WORDS: Final = 60
OWN_WORDS: Final = 30

_PARAGRAPH: Final = re.compile(r"\n\s*\n")


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of text small enough to be put into a prompt.

    Attributes:
        id: unique in its corpus and the same in every run over the same files: `source:title#number`.
        title: what it is from, such as `zipfile.ZipFile` or `docs/guide.md`.
        source: the name of the index it belongs to.
        text: at most 200 words, line breaks kept.
    """

    id: str
    title: str
    source: str
    text: str


@dataclass(frozen=True, slots=True)
class Section:
    """What belongs together in a document: a class with its methods, a file, a topic.

    Attributes:
        source: the name of the index.
        title: what it is called.
        entries: its texts in order, such as one per function.
    """

    source: str
    title: str
    entries: tuple[str, ...]


def cut(sections: Iterable[Section], limit: int) -> Iterator[Passage]:
    """Yield the passages of all sections in order, `limit` at most."""
    return islice(_passages(sections), limit)


def _passages(sections: Iterable[Section]) -> Iterator[Passage]:
    numbers: Counter[tuple[str, str]] = Counter()
    for section in sections:
        for text in _pack(section.entries):
            key = (section.source, section.title)
            numbers[key] += 1
            name = f"{section.source}:{section.title}#{numbers[key]}"
            yield Passage(name, section.title, section.source, text)


def _pack(entries: Iterable[str]) -> Iterator[str]:
    """Yield texts of 30 to 200 words: long entries cut, entries in between alone, short neighbours joined."""
    joined: list[str] = []
    words = 0
    for entry in entries:
        size = len(entry.split())
        if 0 < size < OWN_WORDS:
            joined.append(entry)
            words += size
        if joined and (size >= OWN_WORDS or words >= SHARED_WORDS):
            yield "\n\n".join(joined)
            joined, words = [], 0
        if OWN_WORDS <= size <= MAX_WORDS:
            yield entry
        elif size > MAX_WORDS:
            yield from _split(entry)
    if words:
        yield "\n\n".join(joined)


def _split(text: str) -> Iterator[str]:
    """Yield a long text in pieces of about 100 words, cut between paragraphs where they are short enough."""
    piece: list[str] = []
    words = 0
    for block in (part for paragraph in _PARAGRAPH.split(text) for part in _blocks(paragraph)):
        size = len(block.split())
        if piece and words + size > MAX_WORDS:
            yield "\n\n".join(piece)
            piece, words = [], 0
        piece.append(block)
        words += size
        if words >= TARGET_WORDS:
            yield "\n\n".join(piece)
            piece, words = [], 0
    if words:
        yield "\n\n".join(piece)


def _blocks(paragraph: str) -> Iterator[str]:
    """Yield a paragraph, or its lines (then its words) gathered to about 100 words where it is too long."""
    if len(paragraph.split()) <= MAX_WORDS:
        yield paragraph
        return
    lines: list[str] = []
    size = 0
    for line in paragraph.splitlines():
        words = line.split()
        if len(words) > TARGET_WORDS:
            starts = range(0, len(words), TARGET_WORDS)
            yield from ["\n".join(lines)] if lines else []
            yield from (" ".join(words[start : start + TARGET_WORDS]) for start in starts)
            lines, size = [], 0
            continue
        lines.append(line)
        size += len(words)
        if size >= TARGET_WORDS:
            yield "\n".join(lines)
            lines, size = [], 0
    if lines:
        yield "\n".join(lines)
