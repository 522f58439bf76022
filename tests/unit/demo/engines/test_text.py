"""How text is cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from capibara_otel.demo.engines.text import (
    content_words,
    count_tokens,
    coverage,
    first_tokens,
    sentences,
    similarity,
    terms,
    tokens,
)


def test_an_identifier_is_kept_whole_and_gives_its_parts() -> None:
    """A dotted, a snake-case and a camel-case name are found by themselves and by the words in them."""
    assert set(terms("os.path.join")) == {"os.path.join", "os", "path", "join"}
    assert set(terms("get_running_loop")) == {"get_running_loop", "get", "running", "loop"}
    assert set(terms("ZipFile")) == {"zipfile", "zip", "file"}


def test_stop_words_are_dropped_and_plurals_folded() -> None:
    """`the files` and `a file` are about the same, and `class` is no plural."""
    assert terms("the files") == terms("a file") == ["file"]
    assert terms("class status axis") == ["class", "status", "axis"]


def test_terms_keep_repetitions_and_other_alphabets() -> None:
    """A repeated word counts twice, and words are not only English ones."""
    assert terms("año, Año y ÑANDÚ") == ["año", "año", "y", "ñandú"]


def test_similarity_and_coverage_are_shares_of_words() -> None:
    """Similarity looks from both sides, coverage from the wanted one."""
    left, right = content_words("open zip archive"), content_words("open csv")

    assert similarity(left, right) == 1 / 4
    assert coverage(left, right) == 1 / 3
    assert similarity(frozenset(), frozenset()) == 0.0
    assert coverage(frozenset(), left) == 1.0


def test_tokens_are_near_four_characters_each() -> None:
    """Short words are one token, long ones several, numbers three digits each, marks one each."""
    assert tokens("Read internationalization, 12345!") == [
        "Read",
        "interna",
        "tionali",
        "zation",
        ",",
        "123",
        "45",
        "!",
    ]
    assert count_tokens(["a b", "c"]) == count_tokens("a b") + count_tokens("c") == 3


def test_sentences_end_at_marks_blank_lines_and_list_items() -> None:
    """A sentence is on one line, a list item is one of its own, and `3.11` ends none."""
    text = "Python 3.11 is fast. It has\ntasks!\n\nUse:\n- one thing\n- another"

    assert sentences(text) == ["Python 3.11 is fast.", "It has tasks!", "Use:", "- one thing", "- another"]


@given(st.text(max_size=200), st.integers(0, 60))
def test_first_tokens_is_a_beginning_with_no_more_than_that_many(text: str, count: int) -> None:
    """The cut text is a prefix, has at most the tokens asked for, and is all of it when there are no more."""
    cut = first_tokens(text, count)

    assert text.startswith(cut)
    assert count_tokens(cut) == min(count, count_tokens(text))
    assert cut == text or count_tokens(text) > count
