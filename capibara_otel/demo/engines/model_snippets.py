"""The code that the local model writes: small programs about the request's own numbers and words.

Most run, some raise, some never end, as with code that models write.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from textwrap import dedent
from typing import Final, Literal

from capibara_otel.demo.engines.text import content_words, terms

_NUMBER: Final = re.compile(r"(?<![\w.])-?\d{1,6}(?:\.\d{1,4})?(?![\w.]*\w)")
_ASKS_FOR_CODE: Final = re.compile(
    r"\b(?:write|generate|produce|create|implement|reply with|respond with|answer with|give me)\b"
    r"(?:\W+\w+){0,5}?\W+(?:code|snippet|script|program|python function)\b"
    r"|\b(?:write|generate)\s+(?:a\s+|some\s+)?(?:python|bash|shell)\b|```(?:python|bash)",
    re.IGNORECASE,
)
_ASKS_FOR_BASH: Final = re.compile(r"\b(?:bash|shell)\b", re.IGNORECASE)

_SUMMARY: Final = """\
    import statistics

    values = {numbers}
    print("count", len(values), "sum", sum(values))
    print("mean", round(statistics.fmean(values), 3), "median", statistics.median(values))
    """
_WORD_COUNT: Final = """\
    from collections import Counter

    words = {words}
    for word, count in Counter(words).most_common(5):
        print(f"{{word:<16}} {{count}}")
    """
_PRIMES: Final = """\
    limit = {size}
    sieve = bytearray([1]) * (limit + 1)
    sieve[:2] = b"\\0\\0"
    for step in range(2, int(limit**0.5) + 1):
        if sieve[step]:
            sieve[step * step :: step] = bytes(len(range(step * step, limit + 1, step)))
    primes = [number for number, prime in enumerate(sieve) if prime]
    print(len(primes), "primes, the last one is", primes[-1])
    """
_FIBONACCI: Final = """\
    from functools import cache

    @cache
    def fibonacci(n: int) -> int:
        return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

    print([fibonacci(n) for n in range({count})])
    """
_GROUPS: Final = """\
    import json
    from itertools import groupby

    words = sorted(set({words}), key=lambda word: (len(word), word))
    print(json.dumps({{size: list(group) for size, group in groupby(words, key=len)}}, indent=1))
    """
_FILE: Final = """\
    import csv
    from pathlib import Path

    path = Path("table.csv")
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(enumerate({words}, start=1))
    print(path.read_text(), path.stat().st_size, "bytes")
    """
_EMPTY_MEAN: Final = """\
    values = [value for value in {numbers} if value > 10**9]
    print("mean of the large ones:", sum(values) / len(values))
    """
_MISSING_KEY: Final = """\
    ages = dict.fromkeys({words}, 0)
    print("age of nobody:", ages["nobody in particular"])
    """
_NOT_A_NUMBER: Final = """\
    total = 0
    for word in {words}:
        total += int(word, 10) if word.isalpha() else 0
    print(total)
    """
_TOO_LARGE: Final = """\
    table = bytearray(10**15)
    print(len(table))
    """
_STUCK_SEARCH: Final = """\
    values = sorted({numbers})
    low, high = 0, len(values)
    while low < high:
        middle = (low + high) // 2
        if values[middle] <= values[-1]:
            low = middle  # never passes the middle
    print(low)
    """
_STUCK_COUNT: Final = """\
    remaining = {size} + 0.5
    while remaining != 0:
        remaining -= 1
    print("done")
    """
_PYTHON: Final = {
    "runs": (_SUMMARY, _WORD_COUNT, _PRIMES, _FIBONACCI, _GROUPS, _FILE),
    "raises": (_EMPTY_MEAN, _MISSING_KEY, _NOT_A_NUMBER, _TOO_LARGE),
    "loops": (_STUCK_SEARCH, _STUCK_COUNT),
}
_SUBJECTS: Final = {
    _SUMMARY: content_words("sum mean average median statistics numbers total"),
    _WORD_COUNT: content_words("count frequency common words histogram"),
    _PRIMES: content_words("prime sieve divisor factor"),
    _FIBONACCI: content_words("fibonacci recursion cache memoize sequence"),
    _GROUPS: content_words("group sort json length order"),
    _FILE: content_words("csv file table path row"),
}
_BASH: Final = {
    "runs": (
        "printf '%s\\n' {list} | sort | uniq -c | sort -rn | head -5\n",
        'for word in {list}; do echo "${{#word}} $word"; done | sort -n\n',
    ),
    "raises": ("set -e\nsort no-such-file.txt\necho done\n", "printf '%s\\n' {list} | grep -c 'no such word'\n"),
    "loops": ("while :; do :; done\n", "until [ -e never ]; do sleep 0.01; done\n"),
}


@dataclass(frozen=True, slots=True)
class CodeShares:
    """How often written code is faulty, each from 0 to 1; the rest runs.

    Attributes:
        raises: ends with an exception or a non-zero exit code.
        loops: never ends.
    """

    raises: float = 0.12
    loops: float = 0.03

    def draw(self, random: Random) -> Literal["runs", "raises", "loops"]:
        """Return how a piece of code is to behave."""
        drawn = random.random()
        if drawn < self.raises:
            return "raises"
        return "loops" if drawn < self.raises + self.loops else "runs"


def asks_for_code(*texts: str) -> bool:
    """Tell whether a request (its system and user texts) wants code: a verb of making near code, script, program."""
    return any(_ASKS_FOR_CODE.search(text) for text in texts)


def write_code(question: str, random: Random, shares: CodeShares) -> str:
    """Return a reply with one fenced program, Bash if the question says so and Python otherwise."""
    language, programs = ("bash", _BASH) if _ASKS_FOR_BASH.search(question) else ("python", _PYTHON)
    template = _fitting(programs[shares.draw(random)], content_words(question), random)
    numbers = [float(number) if "." in number else int(number) for number in _NUMBER.findall(question)]
    words = [word for word in terms(question) if word.isalpha()][:12] or ["nothing"]
    size = 1_000 + (sum(map(len, words)) * 997 + len(question) * 131) % 200_000
    program = dedent(template).format(
        numbers=numbers or [len(word) for word in words],
        words=words,
        list=" ".join(words),
        size=size,
        count=5 + len(question) % 40,
    )
    asked = " ".join(question.split())[:100]
    return f"A program for it:\n\n```{language}\n# {asked}\n{program}```\n"


def _fitting(templates: Sequence[str], asked: frozenset[str], random: Random) -> str:
    """Return the program whose subject shares most words with a question; by chance where several share as many."""
    shared = [len(asked & _SUBJECTS.get(template, frozenset())) for template in templates]
    return random.choice([template for template, count in zip(templates, shared, strict=True) if count == max(shared)])
