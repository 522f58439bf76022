"""The metrics page, in Prometheus' text format or OpenMetrics."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from capibara_otel.pipeline.metrics.data import Collection
from capibara_otel.pipeline.page import spelling
from capibara_otel.pipeline.page.accept import choose, takes_gzip
from capibara_otel.pipeline.page.pauses import with_pauses
from capibara_otel.pipeline.page.table import Snapshot
from capibara_otel.pipeline.page.tabulate import GaugeRule, Tabulator
from capibara_otel.pipeline.page.text import write
from capibara_otel.pipeline.page.workers import Workers
from capibara_otel.pipeline.scope import Resource

_GZIP: Final = 16 + zlib.MAX_WBITS
_LEVEL: Final = 1


@dataclass(frozen=True, slots=True)
class Page:
    """What a scrape is answered with."""

    body: bytes
    content_type: str
    content_encoding: str | None = None


class Exposition:
    """Writes the page. Any number of threads may ask.

    Args:
        read: collects the metrics, cumulative, each exemplar the latest of its series or bucket.
        on_scrape: told the seconds each page took.
        resource: shown as `target_info` where the collection has none.
        gauge_rule: how the values that several processes have of a gauge become one; the latest by default.
        workers: the processes whose metrics are on the page, too.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        read: Callable[[], Collection],
        on_scrape: Callable[[float], None] | None = None,
        *,
        resource: Resource | None = None,
        gauge_rule: GaugeRule | None = None,
        workers: Workers | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read: Final = read
        self._on_scrape: Final = on_scrape
        self._resource = resource
        self._workers: Final = workers
        self._clock: Final = clock
        self._is_detached = False
        self._gauge_rule: Final = gauge_rule
        self._tabulator = Tabulator(gauge_rule)
        if workers is not None:
            workers.attach(lambda: self._own(with_exemplars=True))

    def render(self, accept: str | None = None, accept_encoding: str | None = None) -> Page:
        """Write the page.

        Args:
            accept: the request's `Accept` header.
            accept_encoding: the request's `Accept-Encoding` header.
        """
        start = self._clock()
        chosen = choose(accept)
        snapshot = self._workers.snapshot() if self._workers is not None else None
        if snapshot is None:
            snapshot = self._own(with_exemplars=chosen.is_openmetrics)
        pieces = with_pauses(write(snapshot, openmetrics=chosen.is_openmetrics))
        if takes_gzip(accept_encoding):
            page = Page(_packed(pieces), chosen.content_type, "gzip")
        else:
            page = Page(_plain(pieces), chosen.content_type)
        if self._on_scrape is not None:
            self._on_scrape(self._clock() - start)
        return page

    def detach(self) -> None:
        """Leave the page empty: there is no provider to read."""
        self._is_detached = True

    def after_fork(self, resource: Resource | None) -> None:
        """Begin anew in a forked child.

        Args:
            resource: of the child.
        """
        self._resource = resource
        self._tabulator = Tabulator(self._gauge_rule)
        if self._workers is not None:
            self._workers.after_fork()

    def _own(self, *, with_exemplars: bool) -> Snapshot:
        collection = Collection(Resource(), ()) if self._is_detached else self._read()
        snapshot = self._tabulator.snapshot(collection, with_exemplars=with_exemplars)
        if not snapshot.target and self._resource is not None and not self._is_detached:
            snapshot.target = spelling.info_labels(self._resource.attributes)
        return snapshot


def _plain(pieces: Iterable[str]) -> bytes:
    return b"".join(piece.encode() for piece in pieces)


def _packed(pieces: Iterable[str]) -> bytes:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    packed = [packer.compress(piece.encode()) for piece in pieces]
    packed.append(packer.flush())
    return b"".join(packed)
