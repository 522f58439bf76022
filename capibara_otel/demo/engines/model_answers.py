"""How the local model answers: with the sentences of the prompt that say most about the question.

An answer is a function of its prompt: other passages or another question give another answer.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from capibara_otel.demo.engines.model_snippets import CodeShares, asks_for_code, write_code
from capibara_otel.demo.engines.text import content_words, count_tokens, sentences

_QUESTION_MARK: Final = re.compile(r"^\s*(?:question|query|task)\s*:\s*", re.IGNORECASE | re.MULTILINE)
_MAX_SENTENCE_TOKENS: Final = 90


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation.

    Attributes:
        role: `system`, `developer`, `user`, `assistant` or `tool`.
        text: its text parts, joined.
    """

    role: str
    text: str


def answer(turns: Sequence[Turn], *, max_sentences: int, random: Random, code: CodeShares) -> str:
    """Answer a conversation: with code where it asks for that, and otherwise with sentences of its context.

    Args:
        turns: the messages, oldest first.
        max_sentences: how many sentences are quoted at most.
        random: decides which program is written.
        code: how often written code is faulty.
    """
    question, context = question_and_context(turns)
    instructions = [turn.text for turn in turns if turn.role in {"system", "developer"}]
    if asks_for_code(question, *(text.split("\n\n")[0] for text in instructions)):
        return write_code(question, random, code)
    quoted = best_sentences(question, context, max_sentences)
    if quoted:
        return " ".join(quoted)
    subject = ", ".join(sorted(content_words(question))[:6]) or "that"
    return f"The given context says nothing about {subject}."


def question_and_context(turns: Sequence[Turn]) -> tuple[str, str]:
    """Return the question (in the last user message: what follows `Question:`, or its last paragraph) and the rest.

    Earlier answers are no context, so that the model does not quote itself.
    """
    last = max((number for number, turn in enumerate(turns) if turn.role == "user"), default=len(turns) - 1)
    text = turns[last].text.strip()
    marks = list(_QUESTION_MARK.finditer(text))
    if marks:
        before, question = text[: marks[-1].start()], text[marks[-1].end() :]
    else:
        before, _, question = text.rpartition("\n\n")
    others = [turn.text for number, turn in enumerate(turns) if number != last and turn.role != "assistant"]
    return question.strip(), "\n\n".join(part.strip() for part in (*others, before) if part.strip())


def best_sentences(question: str, context: str, limit: int) -> list[str]:
    """Return the sentences of a context that share most words with a question, in the context's order.

    A word that few sentences have counts more than one that many have.
    """
    wanted = content_words(question)
    candidates = [(text, content_words(text) & wanted) for text in dict.fromkeys(sentences(context))]
    frequency = Counter(word for _, shared in candidates for word in shared)
    weight = {word: math.log(1 + len(candidates) / count) for word, count in frequency.items()}
    scored = [
        (-sum(weight[word] for word in sorted(shared)), place, text)
        for place, (text, shared) in enumerate(candidates)
        if shared and count_tokens(text) <= _MAX_SENTENCE_TOKENS
    ]
    best = sorted(scored)[:limit]
    return [text for _, _, text in sorted(best, key=lambda entry: entry[1])]
