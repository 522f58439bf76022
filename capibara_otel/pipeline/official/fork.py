"""What the official SDK does not forget by itself in a forked child."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from typing import Any, Final

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import Resource

logger: Final = logging.getLogger(__name__)


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
