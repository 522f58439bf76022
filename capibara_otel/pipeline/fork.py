"""After a fork the child starts from zero: no counts, no queues, no threads, no connections of its parent's."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Iterable
from typing import Any, Final, Protocol

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import Resource, ServiceInstanceIdResourceDetector

logger: Final = logging.getLogger(__name__)


class Forkable(Protocol):
    """What has to start anew in a child."""

    def after_fork(self) -> None:
        """Start from nothing."""


def start_anew_in_children(forkable: Forkable) -> None:
    """Have it start anew in every child forked from now on, for as long as it exists.

    The hooks of the SDK's providers must be registered before: they run first, and give the child its instance id.
    """
    reference = weakref.ref(forkable)

    def after_in_child() -> None:
        existing = reference()
        if existing is not None:
            existing.after_fork()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=after_in_child)


def clear_metrics(provider: MeterProvider, readers: Iterable[MetricReader]) -> bool:
    """Forget what the parent has measured; the SDK keeps it, and every child would report it again.

    Reaches into the pinned SDK, which has no way to do this; where its inside has changed, it is left alone and that is
    said. Its locks are renewed too, for another thread of the parent may have held them.

    Args:
        provider: whose measurements.
        readers: of this provider; what other readers have seen stays.

    Returns:
        Whether it could be done.
    """
    consumer: Any = getattr(provider, "_measurement_consumer", None)
    known: dict[MetricReader, Any] = getattr(consumer, "_reader_storages", {})
    storages: list[Any] = [known.get(reader) for reader in readers]
    if not all(hasattr(storage, "_instrument_view_instrument_matches") for storage in storages):
        logger.warning(
            "this OpenTelemetry SDK is not the pinned one: a forked child reports its parent's metrics again"
        )
        return False
    consumer._lock = threading.Lock()  # noqa: SLF001
    for meter in getattr(provider, "_meters", {}).values():
        meter._instrument_registration_lock = threading.Lock()  # noqa: SLF001
    for storage in storages:
        storage._lock = threading.RLock()  # noqa: SLF001
        storage._instrument_view_instrument_matches = {}  # noqa: SLF001
    return True


def resource_of_child(resource: Resource) -> Resource:
    """Return the parent's resource with the child's process id and the instance id that the SDK has given it."""
    instance = ServiceInstanceIdResourceDetector().detect()
    return resource.merge(instance).merge(Resource({"process.pid": os.getpid()}))


def set_resource(provider: Any, resource: Resource) -> bool:
    """Have an SDK provider carry a resource; it has refreshed its instance id only.

    Reaches into the pinned SDK; a provider that has changed inside keeps what it has.

    Args:
        provider: of any signal.
        resource: of this process.

    Returns:
        Whether it could be done.
    """
    update = getattr(provider, "_update_resource", None)
    if update is None:
        return False
    update(resource)
    return True
