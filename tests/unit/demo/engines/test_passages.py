"""How documents become passages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from capibara_otel.demo.engines.docstrings import module_sections
from capibara_otel.demo.engines.passages import MAX_WORDS, Section, cut


def _words(count: int, word: str = "word") -> str:
    return " ".join([word] * count)


def test_short_neighbours_share_a_passage_and_longer_ones_stand_alone() -> None:
    """Entries under 30 words are joined until there are 60; one of 30 to 200 words is a passage by itself."""
    entries = (_words(20, "a"), _words(20, "b"), _words(20, "c"), _words(10, "d"), _words(50, "e"), _words(5, "f"))

    texts = [passage.text for passage in cut([Section("docs", "x", entries)], 99)]

    assert texts == ["\n\n".join(entries[:3]), entries[3], entries[4], entries[5]]


def test_a_long_text_is_cut_between_its_paragraphs() -> None:
    """Paragraphs stay whole where they fit, and none of a text's words is lost."""
    paragraphs = [_words(80, letter) for letter in "abc"]

    texts = [passage.text for passage in cut([Section("docs", "x", ("\n\n".join(paragraphs),))], 99)]

    assert texts == ["\n\n".join(paragraphs[:2]), paragraphs[2]]


@given(st.lists(st.integers(0, 700), max_size=6), st.sampled_from([" ", "\n", "\n\n", "  \n \n"]), st.integers(1, 40))
def test_no_word_is_lost_and_no_passage_is_too_long(sizes: list[int], separator: str, every: int) -> None:
    """Whatever the layout, the passages hold the same words in the same order, at most 200 each."""
    entries = tuple(
        "".join(f"w{number}" + (separator if number % every == 0 else " ") for number in range(size)) for size in sizes
    )

    texts = [passage.text for passage in cut([Section("docs", "x", entries)], 10_000)]

    assert " ".join(texts).split() == " ".join(entries).split()
    assert all(0 < len(text.split()) <= MAX_WORDS for text in texts)


def test_ids_are_unique_also_when_titles_repeat_and_the_limit_holds() -> None:
    """Two documents of one name get different ids; no more passages come than were asked for."""
    sections = [Section("docs", "same.md", (_words(40),)), Section("docs", "same.md", (_words(250),))]

    passages = list(cut(sections, 2))

    assert [passage.id for passage in passages] == ["docs:same.md#1", "docs:same.md#2"]


def test_docstrings_are_read_with_their_signatures_and_without_running_the_code() -> None:
    """Module, functions, classes and methods are there, by class; a module that would fail on import does no harm."""
    source = '''"""The module."""
raise RuntimeError("never run")
def outer(a, /, b=1, *rest, c, **more):
    """What outer does."""
    def inner(): "not public"
async def wait(*, seconds): "What wait does."
def silent(): pass
class Box(dict):
    """A box."""
    def open(self): "Opens it."
    class Lid: "On top."
'''

    sections = module_sections("pkg.mod", source, "stdlib")

    assert sections == [
        Section(
            "stdlib",
            "pkg.mod",
            (
                "pkg.mod\nThe module.",
                "outer(a, b, *rest, c, **more)\nWhat outer does.",
                "wait(*, seconds)\nWhat wait does.",
            ),
        ),
        Section("stdlib", "pkg.mod.Box", ("pkg.mod.Box\nA box.", "open(self)\nOpens it.")),
        Section("stdlib", "pkg.mod.Box.Lid", ("pkg.mod.Box.Lid\nOn top.",)),
    ]
