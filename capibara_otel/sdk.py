"""The composition root: the only place that knows how the parts fit together."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar, Unpack, cast

from capibara_otel._safety import count_faults
from capibara_otel.operation import (
    Emitter,
    Operation,
    OperationHook,
    Policy,
    belonging_to,
    current_operation,
    threads,
)
from capibara_otel.operation.clock import Clock, SystemClock
from capibara_otel.operation.context import KEYWORDS, put_context_on
from capibara_otel.subsystems.ace import Ace
from capibara_otel.subsystems.agents import Agents
from capibara_otel.subsystems.api import Api
from capibara_otel.subsystems.business import Business
from capibara_otel.subsystems.e2b import E2b
from capibara_otel.subsystems.llm import Llm
from capibara_otel.subsystems.optimizations import Optimizations
from capibara_otel.subsystems.rag import Rag
from capibara_otel.subsystems.routing import Routing
from capibara_otel.subsystems.system import System

if TYPE_CHECKING:
    from capibara_otel.config import Settings
    from capibara_otel.config.arguments import SettingsArguments
    from capibara_otel.host import Collector
    from capibara_otel.logs import Logs
    from capibara_otel.pipeline.metrics.views import View
    from capibara_otel.pipeline.running import Providers

_App = TypeVar("_App")
_logger: Final = logging.getLogger("capibara_otel")


class Capibara:
    """One instance of the library: the helpers, and what they send to.

    The module `capibara_otel` is the default instance; its functions are this class's methods. Helpers may be called
    before `configure`: they then use OpenTelemetry's global providers, which do nothing until somebody sets them.

    Args:
        clock: the time.
    """

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._clock: Final = clock or SystemClock()
        self.emitter: Final = Emitter(clock=self._clock)
        self.api: Final = Api(self.emitter)
        self.routing: Final = Routing(self.emitter)
        self.ace: Final = Ace(self.emitter)
        self.e2b: Final = E2b(self.emitter)
        self.rag: Final = Rag(self.emitter)
        self.agents: Final = Agents(self.emitter)
        self.llm: Final = Llm(self.emitter)
        self.optimizations: Final = Optimizations(self.emitter)
        self.business: Final = Business(self.emitter)
        self.system: Final = System(self.emitter)
        self.settings: Settings | None = None
        self.providers: Providers | None = None
        self._logs: Logs | None = None
        self._hooks: list[OperationHook] = []
        self._collector: Collector | None = None
        self._log_handler: logging.Handler | None = None
        self._lock = threading.RLock()
        self._ended = False
        self.opens_on_use = False
        """Whether a metrics page on a port of its own waits until the app is at work; set before `configure`."""
        _after_fork(self.renew_after_fork)

    # --- set-up

    def configure(
        self,
        *,
        hooks: Sequence[OperationHook] = (),
        views: Sequence[View] = (),
        **settings: Unpack[SettingsArguments],
    ) -> Capibara:
        """Set everything up. Each setting: argument, else environment, else `capibara.yaml`, else default.

        Without `OTEL_EXPORTER_OTLP_ENDPOINT` nothing leaves this machine: metrics are on `/metrics`, logs on standard
        output. Providers that the app has set already are used, not replaced. A second call changes nothing but a
        warning; `shutdown()` comes first.

        Args:
            hooks: told of each operation when it ends.
            views: change what metrics become: name, labels, aggregation, limit; see `capibara_otel.pipeline.View`.
            settings: docs/reference/settings.md lists them; None is as good as not given.

        Returns:
            This instance.

        Raises:
            ConfigurationError: settings are wrong; the message lists every fault.
        """
        from capibara_otel.config import load_settings  # noqa: PLC0415 - importing the library stays cheap

        loaded = load_settings(**settings)
        with self._lock:
            if self.providers is not None:
                _logger.warning("configure() was called again and changed nothing; call shutdown() first")
                return self
            self._start(loaded, hooks, views)
        return self

    def _start(self, settings: Settings, hooks: Sequence[OperationHook], views: Sequence[View]) -> None:
        from capibara_otel.logs import CanonicalLines, LogLevel, Output  # noqa: PLC0415 - cheap import
        from capibara_otel.pipeline.providers import start  # noqa: PLC0415 - cheap import

        self.settings = settings
        if self._ended:
            _logger.warning("configure() after shutdown(): other instrumentations of this process stay with what ended")
        self.providers = start(
            settings,
            span_starts=[put_context_on],
            views=views,
            set_global=not self._ended,
            before_flush=self._before_flush,
            is_used=lambda: self.emitter.used,
            endpoint_is_open=not self.opens_on_use,
        )
        self.emitter.on_first_use = self._open_endpoint
        self.emitter.policy = Policy(settings.capture_content, settings.gen_ai_metrics)
        self.emitter.bind(self.providers.tracer_provider, self.providers.meter_provider)
        self.log.send_to(
            Output(settings.log_format, LogLevel(settings.log_level), provider=self.providers.logger_provider)
        )
        self._hooks = [CanonicalLines(self.log), *hooks]
        self.emitter.hooks = tuple(self._hooks)
        self.emitter.reaper.ensure()
        count_faults(self.emitter.fault)
        threads.follow_threads()
        self._follow_logging()
        self._collect()
        if not self._ended:  # after the providers, which renew the locks that readings take
            _after_fork(self._collect)

    @property
    def configured(self) -> bool:
        """Whether `configure` ran and `shutdown` did not."""
        return self.providers is not None

    def instrument_fastapi(self, app: _App) -> _App:
        """Observe every request of a FastAPI or Starlette app: one span, one duration, whatever else is installed.

        Configures this instance with its defaults if that was not done. Repeating it changes nothing.

        Args:
            app: the app.

        Returns:
            The app itself; for an ASGI app of another kind a wrapper, which is what the server must be given.
        """
        from capibara_otel.web import WebOptions, instrument  # noqa: PLC0415 - cheap import

        if self.providers is None:
            self.configure()
        settings, providers = self.settings, self.providers
        if settings is None or providers is None:
            return app
        token = settings.metrics_token
        options = WebOptions(
            metrics_path=settings.metrics_path,
            metrics_token=token.get_secret_value() if token is not None else None,
            excluded_urls=tuple(settings.excluded_urls),
            capture_request_headers=tuple(settings.capture_request_headers),
            capture_response_headers=tuple(settings.capture_response_headers),
        )
        observed = instrument(app, api=self.api, options=options, page=providers.exposition, lifecycle=_Lifecycle(self))
        return cast("_App", observed)

    def add_hook(self, hook: OperationHook) -> None:
        """Have a hook told of each operation that ends from now on."""
        self._hooks.append(hook)
        self.emitter.hooks = tuple(self._hooks)

    # --- in use

    @property
    def log(self) -> Logs:
        """The loggers, one per category."""
        if self._logs is None:
            from capibara_otel.logs import Logs, Output  # noqa: PLC0415 - cheap import

            self._logs = Logs(Output(), self._now_ns)
        return self._logs

    def _now_ns(self) -> int:
        """Return the time by the clock of this moment, for tests replace it."""
        return self.emitter.clock.time_ns()

    @contextmanager
    def context(
        self,
        *,
        user_id: str | int | None = None,
        session_id: str | int | None = None,
        tenant: str | int | None = None,
        request_id: str | int | None = None,
        conversation_id: str | int | None = None,
        agent: str | None = None,
    ) -> Iterator[None]:
        """Say who the work in this block is for: it is on every span and log line beneath, never on metrics.

        It follows tasks, `asyncio.to_thread` and `ThreadPoolExecutor`; inner blocks add to outer ones.

        Args:
            user_id: the user.
            session_id: the user's session.
            tenant: who pays.
            request_id: the request.
            conversation_id: the conversation.
            agent: the agent's name.
        """
        given = {
            "user_id": user_id,
            "session_id": session_id,
            "tenant": tenant,
            "request_id": request_id,
            "conversation_id": conversation_id,
            "agent": agent,
        }
        values: dict[str, str] = {}
        for keyword, value in given.items():
            plain = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
            checked = self.emitter.checked("context", KEYWORDS[keyword], plain, keyword)
            if isinstance(checked, str):
                values[KEYWORDS[keyword]] = checked
        with belonging_to(values):
            yield

    @staticmethod
    def current() -> Operation | None:
        """Return the innermost operation that is running here, if there is one."""
        return current_operation()

    def metrics(self) -> str:
        """Return the metrics page as Prometheus text; empty after `shutdown`."""
        if self.providers is None and not self._ended:
            self.configure()
        self.emitter.reaper.drain()
        providers = self.providers
        return "" if providers is None else providers.exposition.render(None, None).body.decode()

    # --- the end

    def force_flush(self, timeout_s: float | None = None) -> bool:
        """Send what is waiting.

        Args:
            timeout_s: seconds it may take; the setting `shutdown_timeout` by default.

        Returns:
            Whether everything was sent in time.
        """
        self.emitter.reaper.drain()
        return True if self.providers is None else self.providers.force_flush(timeout_s)

    def shutdown(self, timeout_s: float | None = None) -> bool:
        """Send what is waiting and stop, within the time. Helpers may still be called; they do nothing then.

        Args:
            timeout_s: seconds it may take; the setting `shutdown_timeout` by default.

        Returns:
            Whether everything was sent in time.
        """
        with self._lock:
            providers, self.providers = self.providers, None
            if providers is None:
                return True
            self._ended = True
            count_faults(self.emitter.fault, wanted=False)
            if self._collector is not None:
                self._collector.stop()
                self._collector = None
            if self._log_handler is not None:
                logging.getLogger().removeHandler(self._log_handler)
                self._log_handler = None
            self.emitter.hooks = ()
            self._hooks = []
        self._before_flush()
        return providers.shutdown(providers.timeout_s if timeout_s is None else timeout_s)

    # --- parts

    def _before_flush(self) -> None:
        self.emitter.reaper.drain()

    def flush_at_end(self) -> bool:
        """Send what is waiting because the app has ended; see `Providers.flush_at_end`."""
        return True if self.providers is None else self.providers.flush_at_end()

    def _open_endpoint(self) -> None:
        if self.providers is not None and self.providers.endpoint is not None:
            self.providers.endpoint.open()

    def _follow_logging(self) -> None:
        if self.providers is not None and self.providers.exports_logs:
            from capibara_otel.logs.stdlib import OtlpHandler  # noqa: PLC0415 - cheap import

            self._log_handler = OtlpHandler(self.providers.logger_provider)
            logging.getLogger().addHandler(self._log_handler)

    def _collect(self) -> None:
        if self._collector is not None:  # inherited by a forked process, without its thread
            self._collector.forget()
            self._collector = None
        if self.providers is not None and self.settings is not None and self.settings.system_interval:
            from capibara_otel.host import Collector  # noqa: PLC0415 - psutil is needed only here

            interval = self.settings.system_interval
            self._collector = Collector(self.system, interval, self._clock, self.emitter.fault)
            self._collector.start()

    def renew_after_fork(self) -> None:
        """Begin anew in a forked process; providers do so by themselves."""
        self._lock = threading.RLock()
        self.emitter.after_fork()
        if self.providers is not None:
            self.emitter.reaper.ensure()
        self.optimizations.rates.clear()
        if self._logs is not None:
            self._logs.output.renew()


class _Lifecycle:
    """What the app's start and end mean for an instance."""

    def __init__(self, instance: Capibara) -> None:
        self._instance = instance
        self._lag: Any = None

    def startup(self) -> None:
        """Watch the event loop the app runs in."""
        import asyncio  # noqa: PLC0415 - only where a loop runs already

        self._instance.emitter.use()
        watched = self._lag is not None and not self._lag.done()
        if not watched and self._instance.settings is not None and self._instance.settings.system_interval:
            self._lag = asyncio.get_running_loop().create_task(self._instance.system.watch_event_loop())

    async def shutdown(self) -> None:
        """Send everything, off the loop, before the server ends the process."""
        import asyncio  # noqa: PLC0415 - as above
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - cheap import

        if self._lag is not None:
            self._lag.cancel()
        # Not the loop's own threads: work of the app that hangs may hold all of them.
        pool = ThreadPoolExecutor(1, thread_name_prefix="capibara-otel-end")
        try:
            await asyncio.get_running_loop().run_in_executor(pool, self._instance.flush_at_end)
        finally:
            pool.shutdown(wait=False)


def _after_fork(method: Callable[[], None]) -> None:
    """Have a method called in forked processes, as long as its object exists."""
    if hasattr(os, "register_at_fork"):
        kept = weakref.WeakMethod(method)

        def renew() -> None:
            bound = kept()
            if bound is not None:
                bound()

        os.register_at_fork(after_in_child=renew)


DEFAULT: Final = Capibara()
"""The instance behind the functions of the package."""
