"""The metrics page of an app that has set a meter provider of the official SDK itself."""

from __future__ import annotations

from typing import Any

from capibara_otel.pipeline.apps import add_to
from capibara_otel.pipeline.official.exposition import Exposition
from capibara_otel.pipeline.plan import MetricsPage, Plan


def guest_page(plan: Plan, theirs: Any) -> tuple[MetricsPage, bool]:
    """Add a page, and the readers handed in, to the app's own provider; the page is empty where it takes none.

    Args:
        plan: what is built.
        theirs: the app's meter provider.

    Returns:
        The page, and whether the provider takes readers.
    """
    page = Exposition(plan.health.record_scrape, clock=plan.clock)
    takes_readers = add_to(theirs, "add_metric_reader", [page.reader, *plan.metric_readers])
    if not takes_readers:
        page.detach()
    return page, takes_readers
