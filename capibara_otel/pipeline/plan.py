"""What is to be built: the settings, the environment, what the app has set already, what was handed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final, Protocol

from opentelemetry._logs import LoggerProvider
from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Span, TracerProvider

from capibara_otel.config import Settings
from capibara_otel.pipeline.apps import Apps
from capibara_otel.pipeline.batch import BatchQueue
from capibara_otel.pipeline.health import Health
from capibara_otel.pipeline.push import MetricPush
from capibara_otel.pipeline.scope import Resource

if TYPE_CHECKING:
    from capibara_otel.pipeline.metrics.views import View

SpanStart = Callable[[Span, Context | None], object]
"""Told of each span that begins, with the context it began in."""


class Page(Protocol):
    """A rendered metrics page."""

    @property
    def body(self) -> bytes:
        """The page as it goes over the wire."""

    @property
    def content_type(self) -> str:
        """Value of `Content-Type`."""

    @property
    def content_encoding(self) -> str | None:
        """Value of `Content-Encoding`, if it is encoded."""


class MetricsPage(Protocol):
    """Writes the metrics page."""

    def render(self, accept: str | None = None, accept_encoding: str | None = None) -> Page:
        """Write the page as the two request headers want it."""

    def detach(self) -> None:
        """Leave the page empty."""

    def after_fork(self, resource: Resource | None) -> None:
        """Begin anew in a forked child."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What `start` hands to whoever builds the providers."""

    settings: Settings
    environ: Mapping[str, str]
    apps: Apps
    resource: Resource
    health: Health
    clock: Callable[[], float]
    is_disabled: bool = False
    """Whether `OTEL_SDK_DISABLED` makes every call do nothing."""
    id_generator: Any = None
    """An `IdGenerator` of the official SDK's kind."""
    span_starts: Sequence[SpanStart] = ()
    span_processors: Sequence[Any] = ()
    """Processors and readers of the official SDK's kinds."""
    log_processors: Sequence[Any] = ()
    metric_readers: Sequence[Any] = ()
    views: Sequence[View] = ()


@dataclass(slots=True)
class Built:
    """What was built: the providers, the app's own among them, and the parts that send."""

    tracer_provider: TracerProvider
    meter_provider: MeterProvider
    logger_provider: LoggerProvider
    page: MetricsPage
    queues: list[BatchQueue[Any]] = field(default_factory=list)
    pushes: list[MetricPush[Any]] = field(default_factory=list)
    flushes: Sequence[Callable[[], Any]] = ()
    """How what others brought is flushed: what was handed in, and what is added to the providers later."""
    closes: Sequence[Callable[[], Any]] = ()
    """How it is closed."""
    before_flush: Callable[[], object] | None = None
    """Called before each flush and the shutdown, so that what waits elsewhere comes along."""
    at_shutdown: Callable[[], object] | None = None
    """Called when the pipeline begins to end, before its parts are told."""
    after_fork: Callable[[Resource], object] | None = None
    """Told the resource of a forked child, in the child."""
    close: Callable[[], object] | None = None
    """Called when all is sent."""


_SAMPLERS: Final = frozenset(
    {"", "always_on", "always_off", "parentbased_always_on", "parentbased_always_off"}
    | {"traceidratio", "parentbased_traceidratio"}
)


def plugged_sampler(environ: Mapping[str, str]) -> Any:
    """Return the sampler of an installed plugin that `OTEL_TRACES_SAMPLER` names; None where it names a built-in one."""
    name = environ.get("OTEL_TRACES_SAMPLER", "").strip()
    if name.lower() in _SAMPLERS:
        return None
    return _plugin("opentelemetry_traces_sampler", name)(environ.get("OTEL_TRACES_SAMPLER_ARG"))


def plugged_ids(environ: Mapping[str, str]) -> Any:
    """Return the id generator of an installed plugin that `OTEL_PYTHON_ID_GENERATOR` names, if it names one."""
    name = environ.get("OTEL_PYTHON_ID_GENERATOR", "").strip()
    return None if name in {"", "random"} else _plugin("opentelemetry_id_generator", name)()


def _plugin(group: str, name: str) -> Any:
    (found,) = entry_points(group=group, name=name)
    return found.load()
