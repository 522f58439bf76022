"""Where the passages come from: this interpreter's own documentation and texts given by the user."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from capibara_otel.demo.engines.corpus import Corpus, CorpusError, load_corpus


@pytest.fixture(name="stdlib", scope="module")
def _stdlib() -> Corpus:
    return load_corpus()


def test_the_interpreter_itself_gives_thousands_of_real_passages(stdlib: Corpus) -> None:
    """Between 5,000 and 12,000 passages of the standard library and the language reference, each with an id."""
    assert 5_000 <= len(stdlib.passages) <= 12_000
    assert set(stdlib.sources) == {"stdlib", "topics"}
    assert sum(stdlib.sources.values()) == len(stdlib.passages)
    assert len({passage.id for passage in stdlib.passages}) == len(stdlib.passages)
    assert all(passage.text.strip() and len(passage.text.split()) <= 200 for passage in stdlib.passages)


def test_the_passages_say_what_the_modules_say(stdlib: Corpus) -> None:
    """Python sources, builtins written in C and the reference are quoted as they are; tests of Python are not in."""
    texts = {passage.title: passage.text for passage in stdlib.passages if passage.source == "stdlib"}

    assert any("Extract a member from the archive" in passage.text for passage in stdlib.passages)
    assert any(passage.text.startswith("str.split\n") for passage in stdlib.passages)
    assert any(passage.title == "Python lambda" for passage in stdlib.passages)
    assert not any(title.split(".")[0] in {"test", "idlelib", "lib2to3", "site-packages"} for title in texts)


def test_reading_does_not_import_the_modules(stdlib: Corpus) -> None:
    """A module whose import has a visible effect is quoted but not loaded."""
    assert any(passage.title == "turtle" for passage in stdlib.passages)
    assert "turtle" not in sys.modules


def test_loading_twice_gives_the_same(stdlib: Corpus) -> None:
    """Same files, same passages, same order."""
    assert load_corpus().passages == stdlib.passages


def test_a_users_directory_is_read_and_what_is_no_text_is_counted(tmp_path: Path) -> None:
    """Markdown, text, reStructuredText and docstrings come in; binary, broken and hidden files do not."""
    (tmp_path / "deep").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "guide.md").write_text("# Guide\n\nFeed the capybara at dawn.", "utf-8")
    (tmp_path / "deep" / "notes.TXT").write_text("Water first.", "utf-8")
    (tmp_path / "deep" / "more.rst").write_text("More water.", "utf-8")
    (tmp_path / "code.py").write_text('def feed(animal):\n    """Give it grass."""\n', "utf-8")
    (tmp_path / "broken.py").write_text("def feed(:\n", "utf-8")
    (tmp_path / "deep.py").write_text("-" * 200_000 + "1", "utf-8")
    (tmp_path / "backslash.py").write_text('"""Documented."""\nPATTERN = "\\d"\n', "utf-8")
    (tmp_path / "image.txt").write_bytes(b"\x89PNG\x00\x01")
    (tmp_path / "latin.md").write_bytes("año".encode("latin-1"))
    (tmp_path / "huge.md").write_bytes(b"x" * 1_000_001)
    (tmp_path / ".hidden" / "secret.md").write_text("Not for you.", "utf-8")
    (tmp_path / "empty.md").touch()
    (tmp_path / "loop").symlink_to(tmp_path)

    corpus = load_corpus(docs=tmp_path, interpreter=False)

    found = {passage.title: passage.text for passage in corpus.passages}
    assert found == {
        "backslash.py": "backslash.py\nDocumented.",
        "code.py": "feed(animal)\nGive it grass.",
        "deep/more.rst": "More water.",
        "deep/notes.TXT": "Water first.",
        "guide.md": "# Guide\n\nFeed the capybara at dawn.",
    }
    assert corpus.skipped == 5


def test_a_repositorys_markdown_is_read_without_its_dependencies(tmp_path: Path) -> None:
    """Only `*.md` of the root counts, and a missing root is nothing to complain about."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "docs" / "how.md").write_text("How it works.", "utf-8")
    (tmp_path / "docs" / "raw.txt").write_text("Left out.", "utf-8")
    (tmp_path / "node_modules" / "readme.md").write_text("Left out too.", "utf-8")

    assert load_corpus(repository=tmp_path, interpreter=False).sources == {"docs": 1}
    assert load_corpus(repository=tmp_path / "nowhere", interpreter=False).sources == {}


def test_a_directory_without_text_is_a_clear_error(tmp_path: Path) -> None:
    """An empty directory, one with only binary files, and none at all say so and what to do."""
    with pytest.raises(CorpusError, match=r"--docs .*: holds no text to index \(0 files skipped.*put \*\.md"):
        load_corpus(docs=tmp_path)
    (tmp_path / "a.md").write_bytes(b"\0")
    with pytest.raises(CorpusError, match=r"\(1 files skipped"):
        load_corpus(docs=tmp_path)
    with pytest.raises(CorpusError, match=r"missing: is no directory"):
        load_corpus(docs=tmp_path / "missing")


def test_an_interpreter_without_the_reference_still_has_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Distributions that leave out pydoc's topics give the docstrings alone."""
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)

    assert load_corpus(max_passages=50).sources == {"stdlib": 50}


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_may_not_be_read_is_counted(tmp_path: Path) -> None:
    """No permission is like no text: skipped, counted, and the rest is read."""
    (tmp_path / "a.md").write_text("Readable.", "utf-8")
    (tmp_path / "b.md").write_text("Not so.", "utf-8")
    (tmp_path / "b.md").chmod(0)

    corpus = load_corpus(docs=tmp_path, interpreter=False)

    assert (corpus.sources["docs"], corpus.skipped) == (1, 1)


def test_the_bound_keeps_the_users_texts(tmp_path: Path) -> None:
    """With room for little, the user's own texts are what stays."""
    (tmp_path / "a.md").write_text("Mine.", "utf-8")

    corpus = load_corpus(docs=tmp_path, max_passages=3)

    assert corpus.passages[0].title == "a.md"
    assert len(corpus.passages) == 3
