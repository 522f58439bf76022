"""What the local model says: quotes from the prompt, and programs."""

from __future__ import annotations

import asyncio
import re
from random import Random

import pytest

from capibara_otel.demo.engines.model_answers import Turn, answer, question_and_context
from capibara_otel.demo.engines.model_prompt_cache import PromptCache
from capibara_otel.demo.engines.model_snippets import CodeShares, asks_for_code, write_code
from capibara_otel.demo.engines.sandbox import Language, SandboxLimits, SandboxResult, run

CONTEXT = (
    "A capybara lives near water. It eats grass all day. Zip archives hold files. "
    "To extract a member of a zip archive call extract. The weather is fine."
)


def _answer(*turns: Turn, sentences: int = 2) -> str:
    return answer(turns, max_sentences=sentences, random=Random(1), code=CodeShares())


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (
            "How do I extract a zip archive?",
            "Zip archives hold files. To extract a member of a zip archive call extract.",
        ),
        ("What does a capybara eat, grass or water?", "A capybara lives near water. It eats grass all day."),
        ("Who won the cup?", "The given context says nothing about cup, won."),
        ("?", "The given context says nothing about that."),
    ],
)
def test_an_answer_is_made_of_the_contexts_best_sentences(question: str, expected: str) -> None:
    """Other questions to one context are answered otherwise, in the context's own words and order."""
    assert _answer(Turn("system", CONTEXT), Turn("user", question)) == expected


def test_other_context_gives_another_answer() -> None:
    """The answer depends on what was retrieved, not only on the question."""
    question = Turn("user", "Where does a capybara live?")

    assert _answer(Turn("system", "The capybara lives in Peru."), question) == "The capybara lives in Peru."
    assert _answer(Turn("system", "A capybara may live in a zoo."), question) == "A capybara may live in a zoo."


def test_the_question_is_told_from_its_context() -> None:
    """What follows `Question:` counts, else the last paragraph of the last user message; no own answer is context."""
    turns = [
        Turn("system", "Be brief."),
        Turn("assistant", "Old."),
        Turn("user", "Text one.\n\nQuestion: Why?\nReally?"),
    ]

    assert question_and_context(turns) == ("Why?\nReally?", "Be brief.\n\nText one.")
    assert question_and_context([Turn("user", "Some text.\n\nMore.\n\nWhy?")]) == ("Why?", "Some text.\n\nMore.")
    assert question_and_context([Turn("user", "Why?")]) == ("Why?", "")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Write Python code that adds 2 and 3", True),
        ("You reply with one runnable Python snippet.", True),
        ("write a bash one-liner", True),
        ("Please generate a small script for it", True),
        ("How does Python code get compiled?", False),
        ("Answer questions about Python from the passages.", False),
        ("What is a program counter?", False),
    ],
)
def test_code_is_written_only_where_it_is_asked_for(text: str, *, wanted: bool) -> None:
    """Talking about code is not asking for it."""
    assert asks_for_code(text) == wanted
    assert ("```" in _answer(Turn("system", text), Turn("user", "Use 1 and 2."))) == wanted


def test_code_in_the_context_is_no_request() -> None:
    """Retrieved passages below the instructions may speak of writing code."""
    system = "Answer from the passages.\n\nYou can write a script that zips files."

    assert "```" not in _answer(Turn("system", system), Turn("user", "What zips files?"))


def _program(question: str, shares: CodeShares, seed: int) -> tuple[Language, str]:
    found = re.search(r"```(python|bash)\n(.*)```", write_code(question, Random(seed), shares), re.DOTALL)
    assert found is not None
    return ("bash" if found[1] == "bash" else "python"), found[2]


async def _run_all(shares: CodeShares, timeout: float) -> list[SandboxResult]:
    """Run each different program that is written for a few questions."""
    questions = ("Do it with 3, 14, -15 and 92.5", "Write a bash script that counts words, words and words")
    programs = {_program(question, shares, seed) for question in questions for seed in range(60)}
    limits = SandboxLimits(cpu_s=20)
    return [await run(code, language, timeout, limits=limits) for language, code in sorted(programs)]


def test_good_programs_run() -> None:
    """Every program meant to run ends with output and without a fault."""
    results = asyncio.run(_run_all(CodeShares(raises=0, loops=0), timeout=20))

    assert len(results) == 8
    assert [result.stderr for result in results] == [""] * 8
    assert all(result.succeeded and result.stdout for result in results)


def test_faulty_programs_fail() -> None:
    """Every program meant to raise ends by itself with an exit code that says so."""
    results = asyncio.run(_run_all(CodeShares(raises=1, loops=0), timeout=20))

    assert len(results) == 6
    assert all(result.exit_code > 0 and not result.timed_out for result in results)
    assert any("ZeroDivisionError" in result.stderr for result in results)


def test_endless_programs_never_end() -> None:
    """Every program meant to loop has to be ended."""
    results = asyncio.run(_run_all(CodeShares(raises=0, loops=1), timeout=0.6))

    assert len(results) == 4
    assert all(result.timed_out for result in results)


@pytest.mark.parametrize(
    ("question", "line"),
    [
        ("Write Python code for the mean of 3, 5 and 8", "values = [3, 5, 8]"),
        ("Write code that finds all primes", "sieve ="),
        ("Write a script that counts how often words come", "Counter(words)"),
        ("Write code for the Fibonacci sequence", "def fibonacci"),
        ("Write code that sorts by length and gives JSON", "json.dumps"),
        ("Write code that makes a csv file", "csv.writer"),
    ],
)
def test_programs_do_what_the_question_is_about(question: str, line: str) -> None:
    """A question's subject chooses the program, whatever the seed."""
    shares = CodeShares(raises=0, loops=0)

    assert all(line in _program(question, shares, seed)[1] for seed in range(20))


def test_programs_are_about_the_question_and_repeat_with_the_seed() -> None:
    """The question's numbers are in the program; one seed writes one program, the shares decide its kind."""
    shares = CodeShares()
    written = [write_code("Mean of 3, 5 and 8", Random(seed), shares) for seed in range(300)]

    assert written == [write_code("Mean of 3, 5 and 8", Random(seed), shares) for seed in range(300)]
    assert any("[3, 5, 8]" in text for text in written)
    drawn = [shares.draw(Random(seed)) for seed in range(2000)]
    assert 0.09 < drawn.count("raises") / 2000 < 0.15
    assert 0.015 < drawn.count("loops") / 2000 < 0.045


def test_the_prompt_cache_counts_repeated_beginnings() -> None:
    """Whole blocks that were seen before, from the start on, per model, and only from a least length."""
    cache = PromptCache(block=2, minimum=4, max_blocks=100)
    prompt = list("abcdefg")

    assert cache.cached_tokens("m", prompt) == 0
    assert cache.cached_tokens("m", prompt) == 6
    assert cache.cached_tokens("m", [*"abcd", *"xyz"]) == 4
    assert cache.cached_tokens("m", list("abxx")) == 0
    assert cache.cached_tokens("m", ["z", *prompt]) == 0
    assert cache.cached_tokens("other", prompt) == 0


def test_the_prompt_cache_forgets() -> None:
    """It is bounded: prompts not seen for long count as new again."""
    cache = PromptCache(block=1, minimum=1, max_blocks=3)
    cache.cached_tokens("m", list("abc"))
    cache.cached_tokens("m", list("xyz"))

    assert cache.cached_tokens("m", list("abc")) == 0
