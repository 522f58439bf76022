"""The entry points that OpenTelemetry's auto-instrumentation loads."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar

import fastapi
import pytest

import capibara_otel as cap
from capibara_otel.sdk import DEFAULT
from capibara_otel.testing import Capture
from capibara_otel.web import uninstrument
from capibara_otel.zero_code import CapibaraConfigurator, CapibaraDistro, CapibaraFastAPIInstrumentor
from capibara_otel.zero_code.configurator import _is_helper
from tests.unit.web.driver import fetch

HERE = __name__
QUIET = {"CAPIBARA_SYSTEM_INTERVAL": "0"}


class Recorder:
    """An instrumentor that remembers."""

    activated: ClassVar[list[dict[str, Any]]] = []

    def instrument(self, **options: Any) -> None:
        """Remember it."""
        self.activated.append(options)


class Broken(Recorder):
    """An instrumentor that does not work."""

    def instrument(self, **options: Any) -> None:
        """Fail."""
        raise RuntimeError("broken")


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in QUIET.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(sys.modules, HERE, sys.modules[HERE])
    Recorder.activated.clear()
    yield
    CapibaraConfigurator.failed = False
    cap.shutdown()
    DEFAULT.settings = None


def point(name: str, kind: str = "Recorder") -> EntryPoint:
    """Return an entry point of this module."""
    return EntryPoint(name, f"{HERE}:{kind}", "opentelemetry_instrumentor")


@pytest.mark.parametrize(
    ("group", "name", "expected"),
    [
        ("opentelemetry_distro", "capibara", CapibaraDistro),
        ("opentelemetry_configurator", "capibara", CapibaraConfigurator),
        ("opentelemetry_instrumentor", "capibara_fastapi", CapibaraFastAPIInstrumentor),
    ],
)
def test_they_are_found(group: str, name: str, expected: type) -> None:
    """The installed package offers them under their names."""
    [found] = entry_points(group=group, name=name)

    assert found.load() is expected


class TestDistro:
    """Which instrumentations are activated."""

    def test_each_once(self) -> None:
        """An instrumentation found twice is activated once, with the loader's options."""
        distro = CapibaraDistro()
        distro.configure()
        distro.load_instrumentor(point("one"), skip_dep_check=True)
        distro.load_instrumentor(point("the same by another name"))

        assert Recorder.activated == [{"skip_dep_check": True}]

    @pytest.mark.parametrize("name", ["fastapi", "starlette", "asgi"])
    def test_those_we_replace_are_left_out(self, name: str) -> None:
        """Contrib's instrumentations of the server side stay out."""
        CapibaraDistro().load_instrumentor(point(name))

        assert Recorder.activated == []

    @pytest.mark.parametrize(
        ("disabled", "name", "active"),
        [
            ("httpx, redis", "httpx", False),
            ("httpx, redis", "redis", False),
            ("httpx, redis", "sqlalchemy", True),
            ("*", "sqlalchemy", False),
            ("fastapi", "capibara_fastapi", False),
            ("capibara_fastapi", "capibara_fastapi", False),
        ],
    )
    def test_those_the_operator_names_are_left_out(self, disabled: str, name: str, active: bool) -> None:
        """The setting names instrumentations to leave out; ours goes by the name of FastAPI, too."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CAPIBARA_DISABLED_INSTRUMENTATIONS", disabled)
            CapibaraConfigurator().configure()
        CapibaraDistro().load_instrumentor(point(name))

        assert bool(Recorder.activated) is active

    def test_a_broken_one_stops_nothing(self, caplog: pytest.LogCaptureFixture) -> None:
        """One that fails is named in a warning, one that is not installed is not worth one; the others are active."""
        distro = CapibaraDistro()
        distro.load_instrumentor(point("broken", "Broken"))
        distro.load_instrumentor(EntryPoint("missing", "no_such_module:X", "opentelemetry_instrumentor"))
        distro.load_instrumentor(point("good"))

        assert len(Recorder.activated) == 1
        warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
        assert len(warnings) == 1
        assert "broken" in warnings[0]


class TestConfigurator:
    """Set-up in a process that knows nothing of it."""

    def test_it_configures(self) -> None:
        """The default instance is configured from the environment."""
        CapibaraConfigurator().configure(auto_instrumentation_version="0.66b2")

        assert DEFAULT.configured
        assert not CapibaraConfigurator.failed

    def test_wrong_settings(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        """All faults are on standard error, and nothing is instrumented."""
        monkeypatch.setenv("CAPIBARA_LOG_LEVEL", "loud")
        monkeypatch.setenv("CAPIBARA_METRICS_PORT", "-1")
        CapibaraConfigurator().configure()
        CapibaraDistro().load_instrumentor(point("one"))

        error = capsys.readouterr().err
        assert "CAPIBARA_LOG_LEVEL" in error
        assert "CAPIBARA_METRICS_PORT" in error
        assert not DEFAULT.configured
        assert Recorder.activated == []

    def test_any_other_fault(self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
        """A fault of ours is logged and does not stop the app."""

        def broken() -> None:
            raise RuntimeError("ours")

        monkeypatch.setattr(DEFAULT, "configure", broken)
        CapibaraConfigurator().configure()

        assert CapibaraConfigurator.failed
        assert "the app runs without it" in caplog.text

    def test_helpers_of_multiprocessing_are_left_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The standard library's resource tracker runs no code of the app, and has no telemetry."""
        tracker = ["python", "-c", "from multiprocessing.resource_tracker import main;main(4)"]
        worker = ["python", "-c", "from multiprocessing.spawn import spawn_main; spawn_main()"]
        assert [_is_helper(tracker), _is_helper(worker)] == [True, False]

        monkeypatch.setattr(sys, "orig_argv", tracker)
        CapibaraConfigurator().configure()

        assert not DEFAULT.configured


class TestInstrumentor:
    """Every FastAPI app from its birth."""

    @pytest.fixture(name="capture")
    def _capture(self) -> Iterator[Capture]:
        cap.configure()  # otherwise the first app does, and captures nothing
        with Capture() as capture:
            yield capture

    @pytest.fixture(name="instrumentor")
    def _instrumentor(self) -> Iterator[Any]:
        instrumentor = CapibaraFastAPIInstrumentor()
        yield instrumentor
        if instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.uninstrument()

    def test_apps_are_observed_from_their_birth(self, capture: Capture, instrumentor: Any) -> None:
        """Apps made before are not, those made after are, until it is undone; undoing reaches them."""
        init = fastapi.FastAPI.__init__
        before = fastapi.FastAPI()
        instrumentor.instrument()
        after = fastapi.FastAPI()
        subclass = type("Mine", (fastapi.FastAPI,), {})()
        for app in (before, after, subclass):
            fetch(app, "/x")
        assert len(capture.spans) == 2

        instrumentor.uninstrument()
        for app in (before, after, subclass, fastapi.FastAPI()):
            fetch(app, "/x")

        assert len(capture.spans) == 2
        assert fastapi.FastAPI.__init__ is init

    def test_again_after_undoing(self, capture: Capture, instrumentor: Any) -> None:
        """It can be activated anew, and observes once."""
        for _ in range(2):
            instrumentor.instrument()
            instrumentor.uninstrument()
        instrumentor.instrument()
        fetch(fastapi.FastAPI(), "/x")

        assert len(capture.spans) == 1

    @pytest.mark.parametrize(("undo", "observed"), [("", True), ("instrumentor.uninstrument()", False)])
    def test_before_fastapi_is_imported(self, undo: str, observed: bool) -> None:
        """It waits for FastAPI's import, unless it is undone before that."""
        program = f"""
import sys
from capibara_otel.zero_code import CapibaraFastAPIInstrumentor
instrumentor = CapibaraFastAPIInstrumentor()
instrumentor.instrument()
assert "fastapi" not in sys.modules
{undo}
import fastapi
print(type(fastapi.FastAPI()) is not fastapi.FastAPI)
"""
        ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)

        assert ended.stdout.splitlines()[-1] == str(observed)

    def test_an_app_that_observes_itself_too(self, capture: Capture, instrumentor: Any) -> None:
        """An app that calls `instrument_fastapi` under zero-code is observed once."""
        instrumentor.instrument()
        app = cap.instrument_fastapi(fastapi.FastAPI())
        fetch(app, "/x")

        assert len(capture.spans) == 1

    def test_an_app_that_cannot_be_observed_is_still_made(
        self, instrumentor: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A fault of ours while an app is made does not reach it."""

        def broken(_app: Any) -> None:
            raise RuntimeError("ours")

        monkeypatch.setenv("CAPIBARA_RAISE", "0")
        monkeypatch.setattr(DEFAULT, "instrument_fastapi", broken)
        instrumentor.instrument()

        app = fastapi.FastAPI()

        assert uninstrument(app) is app
        assert instrumentor.instrumentation_dependencies() == ("fastapi >= 0.115",)
