"""Reads the documentation of Python sources without running them."""

from __future__ import annotations

import ast
import contextlib
import gc
import warnings
from collections.abc import Iterator

from capibara_otel.demo.engines.passages import Section


def module_sections(module: str, text: str, source: str) -> list[Section]:
    """Return the docstrings of a module: one section for its functions and one per class.

    Args:
        module: dotted name, the title of the first section.
        text: the module's source.
        source: the index the sections are for.

    Raises:
        SyntaxError: the text is no Python of this version.
        ValueError: the text holds a null byte.
        RecursionError: the text nests too deeply for the walk over its tree.
        MemoryError: it nests too deeply for the parser.
    """
    with warnings.catch_warnings(), _collector_paused():
        warnings.simplefilter("ignore")  # a stray backslash in a file that is only read is not ours to report
        return list(_sections(module, ast.parse(text), source))


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    """Keep the garbage collector from searching syntax trees for cycles they cannot have: it doubles the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _sections(name: str, node: ast.Module | ast.ClassDef, source: str) -> Iterator[Section]:
    own = ast.get_docstring(node)
    entries = [f"{name}\n{own}"] if own else []
    entries += [
        f"{child.name}({_parameters(child.args)})\n{text}"
        for child in node.body
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and (text := ast.get_docstring(child))
    ]
    if entries:
        yield Section(source, name, tuple(entries))
    for child in node.body:
        if isinstance(child, ast.ClassDef):
            yield from _sections(f"{name}.{child.name}", child, source)


def _parameters(arguments: ast.arguments) -> str:
    """Return the names of a function's parameters as one writes them, without defaults and annotations."""
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    if arguments.vararg:
        names.append(f"*{arguments.vararg.arg}")
    elif arguments.kwonlyargs:
        names.append("*")
    names += [argument.arg for argument in arguments.kwonlyargs]
    if arguments.kwarg:
        names.append(f"**{arguments.kwarg.arg}")
    return ", ".join(names)
