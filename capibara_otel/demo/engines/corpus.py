"""The demo's library: thousands of real passages that every CPython carries, and the user's own texts.

Three indexes: `stdlib` (docstrings of the standard library, read with `ast` from its sources, and those of the
builtins), `topics` (the language reference inside `pydoc`) and `docs` (Markdown of a repository, a user's directory).
"""

from __future__ import annotations

import builtins
import inspect
import sysconfig
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Final

from capibara_otel.demo.engines.docstrings import module_sections
from capibara_otel.demo.engines.passages import Passage, Section, cut

STDLIB: Final = "stdlib"
TOPICS: Final = "topics"
DOCS: Final = "docs"

_STDLIB_LEFT_OUT: Final = frozenset(
    {"test", "tests", "idle_test", "idlelib", "lib2to3", "site-packages", "dist-packages", "encodings", "turtledemo"}
)
_FOLDERS_LEFT_OUT: Final = frozenset({"node_modules", "site-packages", "__pycache__", "venv", "build", "dist"})
_DOC_SUFFIXES: Final = frozenset({".md", ".txt", ".rst", ".py"})
_MAX_FILE_BYTES: Final = 1_000_000
_MAX_FILES: Final = 2_000


class CorpusError(ValueError):
    """A directory of texts that cannot be used; the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Passages ready to be indexed.

    Attributes:
        passages: in a fixed order, the same for the same files.
        sources: passages per index name.
        skipped: files that could not be read as text (binary, too large, no permission, not valid Python).
    """

    passages: tuple[Passage, ...]
    sources: Mapping[str, int]
    skipped: int


def load_corpus(
    *,
    docs: Path | None = None,
    repository: Path | None = None,
    interpreter: bool = True,
    max_passages: int = 12_000,
) -> Corpus:
    """Read the standard library's documentation and, where given, a repository's and a user's own texts.

    Args:
        docs: a user's directory with `*.md`, `*.txt`, `*.rst` and `*.py` (of which the docstrings are read).
        repository: a project's root; its `*.md` files are read when it is there, and nothing is said when it is not.
        interpreter: read the documentation that Python itself carries.
        max_passages: bound of the whole; the user's and the repository's texts are kept first.

    Raises:
        CorpusError: `docs` is no directory, or holds no text at all.
    """
    reader = _Reader()
    parts: list[Iterable[Section]] = []
    if docs is not None:
        parts.append(_user_sections(docs, reader))
    if repository is not None and repository.is_dir():
        markdown = reader.texts(repository, frozenset({".md"}))
        parts.append(Section(DOCS, name, (text,)) for name, text in markdown)
    if interpreter:
        parts += [_topic_sections(), _builtin_sections(), _stdlib_sections(reader)]
    passages = tuple(cut(chain.from_iterable(parts), max_passages))  # reads no further than the bound
    counted = Counter(passage.source for passage in passages)
    return Corpus(passages, MappingProxyType(dict(counted)), reader.skipped)


class _Reader:
    """Reads text files below a root, and counts those it has to leave."""

    def __init__(self) -> None:
        self.skipped = 0

    def read(self, path: Path) -> str | None:
        """Return a file's text, or None (counted) when it is too large, binary or unreadable."""
        try:
            text = path.read_text("utf-8") if path.stat().st_size <= _MAX_FILE_BYTES else None
        except (OSError, UnicodeDecodeError):
            text = None
        if text is None or "\0" in text:
            self.skipped += 1
            return None
        return text

    def texts(self, root: Path, suffixes: frozenset[str]) -> Iterator[tuple[str, str]]:
        """Yield (path below the root, text) of the files with one of the suffixes, by name, at most 2,000."""
        for path in _files(root, suffixes, _FOLDERS_LEFT_OUT)[:_MAX_FILES]:
            text = self.read(path)
            if text is not None:
                yield path.relative_to(root).as_posix(), text

    def python(self, name: str, text: str, source: str) -> list[Section]:
        """Return the docstrings of a Python text, or nothing (counted) when it does not parse."""
        try:
            return module_sections(name, text, source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            self.skipped += 1
            return []


def _files(root: Path, suffixes: frozenset[str], left_out: frozenset[str]) -> list[Path]:
    """Return the files below a root with one of the suffixes, sorted; hidden and named folders are not entered."""
    found: list[Path] = []
    waiting = [root]
    while waiting:
        try:
            entries = sorted(waiting.pop().iterdir())
        except OSError:
            continue
        for entry in entries:
            if entry.is_dir():
                if not entry.is_symlink() and not entry.name.startswith(".") and entry.name not in left_out:
                    waiting.append(entry)
            elif entry.suffix.lower() in suffixes:
                found.append(entry)
    return sorted(found)


def _user_sections(root: Path, reader: _Reader) -> Iterator[Section]:
    if not root.is_dir():
        raise CorpusError(f"--docs {root}: is no directory; give one that holds *.md, *.txt, *.rst or *.py files")
    before = reader.skipped
    sections: list[Section] = []
    for name, text in reader.texts(root, _DOC_SUFFIXES):
        if name.endswith(".py"):
            sections += reader.python(name, text, DOCS)
        elif text.strip():
            sections.append(Section(DOCS, name, (text,)))
    if not sections:
        raise CorpusError(
            f"--docs {root}: holds no text to index ({reader.skipped - before} files skipped as unreadable); "
            "put *.md, *.txt, *.rst or documented *.py files there, or leave the option out"
        )
    yield from sections


def _topic_sections() -> Iterator[Section]:
    """Yield the language reference inside pydoc; some distributions leave it out, and then there is none."""
    try:
        topics: dict[str, str] = import_module("pydoc_data.topics").topics
    except ImportError:
        return
    for name, text in sorted(topics.items()):
        yield Section(TOPICS, f"Python {name.lower()}", (text,))


def _builtin_sections() -> Iterator[Section]:
    """Yield the documentation of the builtins, whose sources are C; they are always loaded."""
    for name, thing in sorted(vars(builtins).items()):
        if name.startswith("_") or not callable(thing):
            continue
        entries = [f"{name}\n{inspect.getdoc(thing) or ''}"]
        if inspect.isclass(thing) and not issubclass(thing, BaseException):
            entries += [
                f"{name}.{method}\n{text}"
                for method, member in sorted(vars(thing).items())
                if not method.startswith("_") and (text := inspect.getdoc(member))
            ]
        yield Section(STDLIB, name, tuple(entries))


def _stdlib_sections(reader: _Reader) -> Iterator[Section]:
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in _files(root, frozenset({".py"}), _STDLIB_LEFT_OUT):
        text = reader.read(path) if path.name != "topics.py" else None
        if text is not None:
            module = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
            yield from reader.python(module, text, STDLIB)
