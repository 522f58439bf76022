"""The composition root: configure, use, flush, end."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import textwrap
from typing import get_type_hints

import pytest

from capibara_otel.config import Settings
from capibara_otel.config.arguments import SettingsArguments
from capibara_otel.operation import OperationRecord
from capibara_otel.sdk import DEFAULT, Capibara
from capibara_otel.testing import Capture

ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "CAPIBARA_", "PYTEST"))
}


def _python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
        env=ENVIRONMENT | environment,
        check=False,
    )


def test_configure_takes_every_setting() -> None:
    """What `configure` accepts is what there is to set."""
    assert set(get_type_hints(SettingsArguments)) == set(Settings.model_fields)


def test_without_environment_everything_is_usable_and_nothing_leaves() -> None:
    """Metrics are on the page, log lines on standard output, no socket is opened, the end takes no time."""
    done = _python(
        """
        import socket, time

        def refuse(*_):
            raise AssertionError("no network")

        socket.socket.connect = refuse
        socket.create_connection = refuse
        import capibara_otel as cap

        cap.configure(service_name="quiet", system_interval=0)
        with cap.context(user_id="u1"), cap.rag.search(index="docs") as search:
            search.found(3)
            cap.log.rag.warning("index is stale", age_hours=31)
        page = cap.metrics()
        assert 'capibara6_rag_searches_total{capibara6_outcome="success",capibara6_rag_hit="true"' in page, page
        assert 'service_name="quiet"' in page
        assert cap.force_flush()
        began = time.monotonic()
        assert cap.shutdown()
        assert time.monotonic() - began < 1
        """
    )

    assert done.returncode == 0, done.stderr
    assert '"message": "index is stale", "user_id": "u1"' in done.stdout
    assert done.stderr == ""


def test_wrong_settings_are_said_at_once() -> None:
    """Arguments and variables that are wrong give one error that lists them all, and nothing is started."""
    done = _python(
        """
        import capibara_otel as cap

        try:
            cap.configure(metrics_port=-1, log_levl="info")
        except cap.ConfigurationError as error:
            print(error)
        assert cap.Capibara is not None and not cap.sdk.DEFAULT.configured
        """,
        OTEL_TRACES_SAMPLER="sometimes",
        CAPIBARA_LOG_FORMAT="xml",
    )

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "capibara_otel configuration: 4 faults"
    assert (
        sum(word in done.stdout for word in ("metrics_port", "log_levl", "OTEL_TRACES_SAMPLER", "CAPIBARA_LOG_FORMAT"))
        == 4
    )


def test_second_configure_changes_nothing() -> None:
    """Calling it again warns; after `shutdown` it works again; helpers never fail in between."""
    done = _python(
        """
        import capibara_otel as cap

        first = cap.configure(service_name="a", system_interval=0)
        providers = first.providers
        assert cap.configure(service_name="b").providers is providers
        assert cap.shutdown()
        assert cap.shutdown()
        cap.rag.record_search("docs", 0.1, results=1)
        cap.log.system.info("after the end")
        """
    )

    assert done.returncode == 0, done.stderr
    assert "configure() was called again" in done.stderr


def test_helpers_before_configure_do_nothing_harmful() -> None:
    """Helpers work before and without any configuration."""
    done = _python(
        """
        import capibara_otel as cap

        with cap.llm.chat(provider="openai", model="m") as chat:
            chat.usage(input_tokens=1)
        assert cap.current() is None
        """
    )

    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_standard_logging_goes_to_a_configured_receiver_only() -> None:
    """The standard library's lines are sent to OpenTelemetry only where log records are exported."""
    code = """
    import logging
    import capibara_otel as cap

    cap.configure(system_interval=0)
    print([type(handler).__name__ for handler in logging.getLogger().handlers])
    cap.shutdown(0)
    print([type(handler).__name__ for handler in logging.getLogger().handlers])
    """

    assert _python(code).stdout.split("\n")[:2] == ["[]", "[]"]
    sent = _python(code, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert sent.stdout.split("\n")[:2] == ["['OtlpHandler']", "[]"]


def test_hooks_can_be_added_later(capture: Capture) -> None:
    """A hook is told of what ends after it was added."""
    seen: list[OperationRecord] = []

    class Hook:
        def on_end(self, record: OperationRecord, _span: object) -> None:
            """Keep it."""
            seen.append(record)

    mine = Capibara(clock=capture.clock)
    mine.rag.record_search("docs", 0.1)
    mine.add_hook(Hook())
    mine.rag.record_search("docs", 0.1)

    assert [record.name for record in seen] == ["rag search docs"]


def test_instances_are_apart(capture: Capture, caplog: pytest.LogCaptureFixture) -> None:
    """What another instance records does not reach the default one's capture."""
    with caplog.at_level(logging.WARNING):
        Capibara().rag.record_search("docs", 0.1)

    assert capture.spans == ()
    assert DEFAULT.current() is None


def test_a_child_records_what_it_drops() -> None:
    """In a forked child a dropped generator is recorded without any flush."""
    done = _python(
        """
        import os, time
        import capibara_otel as cap

        cap.configure(system_interval=0)

        @cap.rag.search(index="docs")
        def words():
            yield 1

        child = os.fork()
        if child == 0:
            generator = words()
            next(generator)
            generator.close()
            until = time.monotonic() + 5
            page = cap.sdk.DEFAULT.providers.exposition.render
            while b"capibara6_rag_searches_total" not in page().body and time.monotonic() < until:
                time.sleep(0.01)
            os._exit(0 if b"abandoned" in page().body else 3)
        raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """
    )

    assert done.returncode == 0, done.stderr


def test_a_signal_handler_may_log() -> None:
    """A handler that logs while the same thread hands a line to the exporter waits for nothing."""
    done = _python(
        """
        import signal, time
        import capibara_otel as cap

        cap.configure(system_interval=0, shutdown_timeout=0.1)
        handled = 0

        def handle(*_):
            global handled
            handled += 1
            cap.log.system.warning("tick")
            if handled < 300:
                signal.setitimer(signal.ITIMER_REAL, 0.001)

        signal.signal(signal.SIGALRM, handle)
        signal.setitimer(signal.ITIMER_REAL, 0.001)
        until = time.monotonic() + 30
        while handled < 300 and time.monotonic() < until:
            cap.log.system.warning("work")
            with cap.rag.search(index="work"):
                pass
        assert handled >= 300, handled
        """,
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
    )

    assert done.returncode == 0, done.stderr[-2000:]
