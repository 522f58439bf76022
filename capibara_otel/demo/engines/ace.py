"""Agentic context engineering: a playbook of strategies that grows by what worked and shrinks by what did not.

Three steps after Zhang et al., "Agentic Context Engineering" (2025): `generate` drafts the context for a query from the
playbook and found passages, `reflect` judges by the answer which lines of it helped or harmed, `curate` merges what was
learnt into the playbook as small changes. A playbook never changes; curating returns the next one.

Each step tells its awareness, a coverage of content words between 0 and 1: of the query by the drafted context, of the
query by the answer, and of what was learnt by the new playbook.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from capibara_otel.demo.engines.passages import Passage
from capibara_otel.demo.engines.text import content_words, count_tokens, coverage, sentences, similarity

_words = lru_cache(maxsize=4096)(content_words)

# A line had a part in an answer when this share of its words is in it.
_TAKEN_UP: Final = 0.4
# A strategy fits a query when it covers this share of its content words.
_FITTING: Final = 0.34
# Two strategies more alike than this say the same.
_SAME: Final = 0.6
# Harm beyond help at which a strategy leaves the playbook.
_HARM_MARGIN: Final = 2
_MAX_SENTENCE_TOKENS: Final = 60


@dataclass(frozen=True, slots=True)
class Bullet:
    """One strategy of a playbook.

    Attributes:
        id: made from the text it was added with.
        text: one or two sentences.
        helpful: how often it had a part in a good answer.
        harmful: how often it had a part in a bad one.
    """

    id: str
    text: str
    helpful: int = 0
    harmful: int = 0


@dataclass(frozen=True, slots=True)
class Playbook:
    """Strategies in the order in which they were learnt."""

    bullets: tuple[Bullet, ...] = ()

    @property
    def tokens(self) -> int:
        """Tokens of all strategies together."""
        return count_tokens(bullet.text for bullet in self.bullets)

    def select(self, query: str, limit: int) -> tuple[Bullet, ...]:
        """Return the strategies that cover most of a query's content words (a third at least); ties by record."""
        wanted = _words(query)
        scored = [(coverage(wanted, _words(bullet.text)), bullet) for bullet in self.bullets]
        fitting = [pair for pair in scored if pair[0] >= _FITTING]
        fitting.sort(key=lambda pair: (-pair[0], pair[1].harmful - pair[1].helpful, pair[1].id))
        return tuple(bullet for _, bullet in fitting[:limit])


@dataclass(frozen=True, slots=True)
class Draft:
    """The generator's result.

    Attributes:
        query: what it is for.
        bullets: strategies taken from the playbook.
        strategies: new ones, drawn from the passages: where to look and what it says there.
        awareness: share of the query's content words that the context covers, 0 to 1.
        tokens_before: tokens of the playbook and the passages.
        tokens_after: tokens of the context.
    """

    query: str
    bullets: tuple[Bullet, ...]
    strategies: tuple[str, ...]
    awareness: float
    tokens_before: int
    tokens_after: int

    @property
    def context(self) -> str:
        """The lines to put before the query."""
        return _as_lines((*(bullet.text for bullet in self.bullets), *self.strategies))


@dataclass(frozen=True, slots=True)
class Reflection:
    """The reflector's result.

    Attributes:
        helped: ids of the playbook's strategies that had a part in a good answer.
        harmed: ids of those that had a part in a bad one.
        insights: strategies worth keeping.
        awareness: share of the query's content words that the answer covers, 0 to 1.
        tokens_before: tokens of the context and the answer.
        tokens_after: tokens of the insights.
    """

    helped: tuple[str, ...]
    harmed: tuple[str, ...]
    insights: tuple[str, ...]
    awareness: float
    tokens_before: int
    tokens_after: int


@dataclass(frozen=True, slots=True)
class Curation:
    """The curator's result.

    Attributes:
        playbook: the next one.
        added: ids of new strategies.
        updated: ids of those whose record or text changed.
        removed: ids of those that harmed too often or had to make room.
        awareness: share of the insights' content words that the next playbook covers, 0 to 1; 1 without insights.
        tokens_before: tokens of the playbook before.
        tokens_after: tokens of the next one.
    """

    playbook: Playbook
    added: tuple[str, ...]
    updated: tuple[str, ...]
    removed: tuple[str, ...]
    awareness: float
    tokens_before: int
    tokens_after: int


def generate(
    query: str, playbook: Playbook, passages: Sequence[Passage], *, max_tokens: int = 300, max_bullets: int = 4
) -> Draft:
    """Draft the context for a query: the fitting strategies of the playbook, then the passages' best sentences.

    Args:
        query: what is asked.
        playbook: what was learnt so far.
        passages: what retrieval found, best first.
        max_tokens: bound of the context.
        max_bullets: how many strategies of the playbook at most.
    """
    wanted = _words(query)
    bullets: list[Bullet] = []
    strategies: list[str] = []
    room = max_tokens
    for bullet in playbook.select(query, max_bullets):
        size = count_tokens(bullet.text)
        if size <= room:
            bullets.append(bullet)
            room -= size
    for strategy in (_strategy(wanted, passage) for passage in passages):
        known = (*(bullet.text for bullet in bullets), *strategies)
        if strategy and (size := count_tokens(strategy)) <= room and not _alike(strategy, known):
            strategies.append(strategy)
            room -= size
    lines = (*(bullet.text for bullet in bullets), *strategies)
    return Draft(
        query=query,
        bullets=tuple(bullets),
        strategies=tuple(strategies),
        awareness=coverage(wanted, _words(_as_lines(lines))),
        tokens_before=playbook.tokens + count_tokens(passage.text for passage in passages),
        tokens_after=count_tokens(_as_lines(lines)),
    )


def reflect(draft: Draft, answer: str, *, fault: str | None = None) -> Reflection:
    """Judge which lines of a context helped or harmed, and what is worth keeping.

    A line had a part in the answer when at least 0.4 of its content words are in it. With a good answer such a
    strategy of the playbook helped and such a new one is kept; with a bad one it harmed, and the fault is kept.

    Args:
        draft: the context that was used.
        answer: what came of it.
        fault: what was wrong with the answer, such as an exception's line; None when it was good.
    """
    given = _words(answer)
    taken_up = tuple(bullet.id for bullet in draft.bullets if coverage(_words(bullet.text), given) >= _TAKEN_UP)
    if fault is None:
        insights = tuple(text for text in draft.strategies if coverage(_words(text), given) >= _TAKEN_UP)
    else:
        topic = ", ".join(sorted(_words(draft.query), key=lambda word: (-len(word), word))[:4]) or "this"
        insights = (f"Asked about {topic}: guard against {' '.join(fault.split())[:160]}.",)
    return Reflection(
        helped=taken_up if fault is None else (),
        harmed=taken_up if fault is not None else (),
        insights=insights,
        awareness=coverage(_words(draft.query), given),
        tokens_before=count_tokens((draft.context, answer)),
        tokens_after=count_tokens(insights),
    )


def curate(playbook: Playbook, reflection: Reflection, *, max_tokens: int = 2000) -> Curation:
    """Merge what was learnt into a playbook.

    Strategies that helped or harmed get their record; one that harmed twice more than it helped leaves; an insight
    that says the same as a strategy there (similarity 0.6 or more) counts as its help and replaces its text when it
    is shorter; other insights are added. Over the bound the strategies with the worst record, oldest first, leave.

    Args:
        playbook: the one to start from; it may have changed since the draft.
        reflection: what was learnt.
        max_tokens: bound of the playbook.
    """
    bullets = {bullet.id: bullet for bullet in playbook.bullets}
    for name in reflection.helped:
        if name in bullets:
            bullets[name] = replace(bullets[name], helpful=bullets[name].helpful + 1)
    for name in reflection.harmed:
        if name in bullets:
            bullets[name] = replace(bullets[name], harmful=bullets[name].harmful + 1)
    for insight in reflection.insights:
        same = next((bullet for bullet in bullets.values() if _alike(insight, (bullet.text,))), None)
        if same is None:
            new = Bullet(f"b-{hashlib.sha256(insight.encode()).hexdigest()[:10]}", insight)
            bullets[new.id] = new
        else:
            bullets[same.id] = replace(same, helpful=same.helpful + 1, text=min(same.text, insight, key=count_tokens))
    kept = _within({n: b for n, b in bullets.items() if b.harmful - b.helpful < _HARM_MARGIN}, max_tokens)
    before = {bullet.id: bullet for bullet in playbook.bullets}
    after = Playbook(tuple(kept.values()))
    return Curation(
        playbook=after,
        added=tuple(name for name in kept if name not in before),
        updated=tuple(name for name, bullet in kept.items() if name in before and before[name] != bullet),
        removed=tuple(name for name in before if name not in kept),
        awareness=coverage(
            _words(_as_lines(reflection.insights)), _words(_as_lines(bullet.text for bullet in after.bullets))
        ),
        tokens_before=playbook.tokens,
        tokens_after=after.tokens,
    )


def _within(bullets: dict[str, Bullet], max_tokens: int) -> dict[str, Bullet]:
    """Return the bullets without those with the worst record, so that they fit."""
    room = max_tokens - count_tokens(bullet.text for bullet in bullets.values())
    kept = dict(bullets)
    for bullet in sorted(bullets.values(), key=lambda bullet: bullet.helpful - bullet.harmful):
        if room >= 0:
            break
        room += count_tokens(bullet.text)
        del kept[bullet.id]
    return kept


def _strategy(wanted: frozenset[str], passage: Passage) -> str:
    """Return where a passage is from and its sentence that covers most of the wanted words; empty if none does."""
    best, covered = "", 0
    for sentence in sentences(passage.text):
        shared = len(wanted & _words(sentence))
        if shared > covered and count_tokens(sentence) <= _MAX_SENTENCE_TOKENS:
            best, covered = sentence, shared
    return f"See {passage.title}: {best.removeprefix(passage.title).lstrip()}" if best else ""


def _alike(text: str, others: Iterable[str]) -> bool:
    return any(similarity(_words(text), _words(other)) >= _SAME for other in others)


def _as_lines(texts: Iterable[str]) -> str:
    return "\n".join(f"- {text}" for text in texts)
