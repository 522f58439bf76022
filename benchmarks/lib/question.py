"""What a question is, and what is known while it is answered."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, TypeVar

from benchmarks.lib.answers import UnavailableError
from benchmarks.lib.child import Child
from benchmarks.lib.environments import Environments, variables
from benchmarks.lib.peers import PEERS, Peer
from benchmarks.lib.server import Server

Size: TypeAlias = Literal["full", "quick", "check"]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that is measured."""

    key: str
    title: str
    unit: str


@dataclass(slots=True)
class Figure:
    """What one peer got in one row."""

    values: list[float] = field(default_factory=list)
    """One per round, in the row's unit."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """One question and how it is answered."""

    key: str
    title: str
    rows: Sequence[Row]
    method: str
    """How it is measured, for the page."""
    measure: Callable[[Run], None]
    lacks: Mapping[str, str] = field(default_factory=dict)
    """What a peer's figure lacks beside ours, or has beyond it."""


class Run:
    """One run: how large it is, where the peers are, and what was found.

    Args:
        size: `full` for the page, `quick` for a look, `check` for CI.
        only: the peers that take part; all by default.
    """

    def __init__(self, size: Size, only: Collection[str] | None = None) -> None:
        self.size: Final = size
        self._only: Final = only
        self.environments: Final = Environments(here=size == "check")
        self.figures: Final[dict[str, dict[str, Figure]]] = {}

    def pick(self, full: _T, quick: _T, check: _T | None = None) -> _T:
        """Return what fits this run's size; a check is as large as a quick run where nothing else is said."""
        if self.size == "check" and check is not None:
            return check
        return full if self.size == "full" else quick

    def peers(self, of: Iterable[str]) -> list[str]:
        """Return those of the peers that take part."""
        return [peer for peer in of if self._only is None or peer in self._only]

    def add(self, row: Row, peer: str, value: float, note: str = "") -> None:
        """Note what a round has shown.

        Args:
            row: which row.
            peer: who.
            value: the figure, in the row's unit.
            note: said beside the figure; the last one counts.
        """
        figure = self.figures.setdefault(row.key, {}).setdefault(peer, Figure())
        figure.values.append(value)
        figure.note = note or figure.note

    def missing(self, row: Row, peer: str, why: str) -> None:
        """Note that a peer has no figure in a row."""
        self.figures.setdefault(row.key, {}).setdefault(peer, Figure()).note = why

    def child(self, peer: str, work: str, environ: Mapping[str, str] | None = None, **arguments: Any) -> Child:
        """Start a peer's process; see `Child`."""
        known: Peer = PEERS[peer]
        return Child(self.environments.python(known.environment), work, variables(known, environ), **arguments)

    def server(self, peer: str, app: str, environ: Mapping[str, str] | None = None) -> Server:
        """Start a peer's app; see `Server`."""
        known: Peer = PEERS[peer]
        return Server(self.environments.python(known.environment), app, variables(known, environ))

    @contextmanager
    def children(
        self, row: Row, work: str, of: Iterable[str], environ: Mapping[str, str] | None = None
    ) -> Iterator[dict[str, Child]]:
        """Start a process for each peer; who has no such thing is noted and left out.

        Args:
            row: where that is noted.
            work: `module:function`.
            of: the peers; the function is given the name.
            environ: the environment variables they have.
        """
        with ExitStack() as stack:
            started: dict[str, Child] = {}
            for peer in self.peers(of):
                try:
                    started[peer] = stack.enter_context(self.child(peer, work, environ, name=peer))
                except UnavailableError as why:
                    self.missing(row, peer, str(why))
            yield started

    @contextmanager
    def sink(self) -> Iterator[Child]:
        """Start a receiver of OTLP; see `benchmarks.lib.sink`."""
        with self.child("bare", "benchmarks.lib.sink:sink") as started:
            yield started


def rounds_of(peers: Sequence[str], rounds: int) -> Iterator[list[str]]:
    """Yield the peers in the order of each round: another one begins each time, so that none is always first."""
    for number in range(rounds):
        first = number % len(peers) if peers else 0
        yield [*peers[first:], *peers[:first]]
        sys.stderr.write(".")
        sys.stderr.flush()


def take_turns(peers: Sequence[str], rounds: int) -> Iterator[str]:
    """Yield the peers one after the other, round by round, so that the machine's moods hit all alike."""
    for order in rounds_of(peers, rounds):
        yield from order


def otlp(endpoint: str, protocol: str = "http/protobuf") -> dict[str, str]:
    """Return the variables that point an exporter at a receiver."""
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
