"""The demo as a user runs it: whole, interrupted, on a taken port, narrow, piped."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from capibara_otel.demo.figures import Page
from capibara_otel.registry import load
from capibara_otel.semconv import promnames
from capibara_otel.semconv.metrics import METRICS

ROOT = Path(__file__).resolve().parents[3]
PROMTOOL = ROOT / ".tools" / "promtool"
COMMAND = [sys.executable, "-m", "capibara_otel.cli", "demo"]
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "OTEL_", "CAPIBARA_"))
}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _servers(of: int) -> list[psutil.Process]:
    try:
        return [child for child in psutil.Process(of).children(recursive=True) if child.is_running()]
    except psutil.NoSuchProcess:
        return []


@pytest.fixture(name="kept", scope="module")
def _kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A demo that ran 14 seconds and stays up: its address and what it printed."""
    port = _free_port()
    printed = tmp_path_factory.mktemp("demo") / "out.txt"
    with printed.open("wb") as out:
        demo = subprocess.Popen(
            [*COMMAND, "--for", "14", "--users", "6", "--keep", "--port", str(port)],
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**ENVIRONMENT, "COLUMNS": "120"},
        )
    try:
        until = time.monotonic() + 90
        while "staying up" not in printed.read_text("utf-8"):
            assert demo.poll() is None, printed.read_text("utf-8")
            assert time.monotonic() < until, printed.read_text("utf-8")
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}", printed.read_text("utf-8")
    finally:
        children = _servers(demo.pid)
        demo.send_signal(signal.SIGINT)
        assert demo.wait(20) == 130
        gone, alive = psutil.wait_procs(children, timeout=5)
        assert alive == []
        assert len(gone) == len(children) == 2


class TestWhole:
    """A run to its end."""

    def test_every_subsystem_is_summed_up(self, kept: tuple[str, str]) -> None:
        """The summary has a row per subsystem, the slowest request with its operations, and where to look next."""
        text = kept[1]

        for name in ("API", "Routing", "ACE", "RAG search", "LLM chat", "E2B", "Cache", "Batches", "Agents"):
            assert f" {name} " in text
        assert "Slowest" in text
        assert "POST /api/v1/query" in text
        assert "business query" in text
        assert "/metrics" in text

    def test_the_page_has_the_registrys_families(self, kept: tuple[str, str]) -> None:
        """At least 90 metric families of the registry are on the page, each moved by the run, none unknown."""
        page = Page(httpx.get(f"{kept[0]}/metrics").text)

        assert len(page.known) >= 90
        assert page.families - page.known == {"target_info"}

    def test_names_are_those_of_the_registry(self, kept: tuple[str, str]) -> None:
        """What the page calls a metric is what the registry computes, with its kind."""
        text = httpx.get(f"{kept[0]}/metrics").text
        kinds = {"counter": "counter", "updowncounter": "gauge", "gauge": "gauge", "histogram": "histogram"}
        types = dict(line.split()[2:] for line in text.splitlines() if line.startswith("# TYPE"))

        for spec in load().metrics:
            name = promnames.series(spec)
            if name in types:
                assert types[name] == kinds[spec.instrument]
        assert len(set(types) & {promnames.series(spec) for spec in METRICS}) >= 90

    @pytest.mark.tools
    def test_promtool_finds_nothing(self, kept: tuple[str, str]) -> None:
        """`promtool check metrics` has nothing to say about the page."""
        page = httpx.get(f"{kept[0]}/metrics").content
        done = subprocess.run([PROMTOOL, "check", "metrics"], input=page, capture_output=True, check=False)

        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")

    def test_raw_paths_are_no_labels(self, kept: tuple[str, str]) -> None:
        """Paths that matched no route are on no metric."""
        assert "/no/such/page" not in httpx.get(f"{kept[0]}/metrics").text


class TestForms:
    """Other ways to run it."""

    def test_json(self) -> None:
        """`--json` prints the summary and nothing else to standard output."""
        done = subprocess.run(
            [*COMMAND, "--for", "3", "--users", "2", "--json", "--port", str(_free_port())],
            capture_output=True,
            text=True,
            timeout=90,
            env=ENVIRONMENT,
            check=False,
        )
        summary: dict[str, Any] = json.loads(done.stdout)

        assert done.returncode == 0
        assert summary["requests"] > 10
        assert {row["name"] for row in summary["subsystems"]} >= {"API", "Routing", "ACE", "LLM chat"}
        assert "users for 3 s" in done.stderr

    def test_own_texts_taken_port_narrow_terminal(self, tmp_path: Path) -> None:
        """A user's own texts are answered from, a taken port is stepped around, a narrow terminal stays readable."""
        (tmp_path / "capybara.md").write_text("# Capybaras\n\nThe capybara is the largest living rodent.\n" * 3)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            done = subprocess.run(
                [*COMMAND, "--for", "2", "--users", "2", "--docs", str(tmp_path), "--port", str(port)],
                capture_output=True,
                text=True,
                timeout=90,
                env={**ENVIRONMENT, "COLUMNS": "60", "NO_COLOR": "1"},
                check=False,
            )

        assert done.returncode == 0, done.stderr
        assert f"port {port} is in use, taking " in done.stdout
        assert "docs" in done.stdout
        assert "\x1b[" not in done.stdout
        table = [line for line in done.stdout.splitlines() if line.startswith((" Subsystem", " API", " LLM"))]
        assert max(map(len, table)) <= 60

    @pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
    def test_interrupted(self, ending: signal.Signals) -> None:
        """Interrupted in mid-run it ends its servers, says so and leaves nothing behind."""
        with subprocess.Popen(
            [*COMMAND, "--for", "60", "--port", str(_free_port())],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=ENVIRONMENT,
        ) as demo:
            assert demo.stdout is not None
            for line in demo.stdout:
                if "ready after" in line:
                    break
            time.sleep(1)
            children = _servers(demo.pid)
            demo.send_signal(ending)
            rest = demo.stdout.read()
            code = demo.wait(20)

        assert code == 130
        assert "interrupted" in rest
        assert "Traceback" not in rest
        assert len(children) >= 2  # sandboxes too, if some run right then
        assert psutil.wait_procs(children, timeout=5)[1] == []

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--for", "0"], "--for"),
            (["--users", "many"], "--users"),
            (["--docs", "/no/such/folder"], "/no/such/folder"),
        ],
    )
    def test_wrong_use(self, arguments: list[str], said: str) -> None:
        """Wrong options are a sentence that names them, and exit code 2."""
        done = subprocess.run(
            [*COMMAND, *arguments], capture_output=True, text=True, timeout=60, env=ENVIRONMENT, check=False
        )

        assert done.returncode == 2
        assert said in done.stderr
        assert "Traceback" not in done.stderr

    @pytest.mark.parametrize(
        ("arguments", "environment", "said"),
        [
            ([], {"OTEL_TRACES_SAMPLER_ARG": "lots", "OTEL_TRACES_SAMPLER": "traceidratio"}, "OTEL_TRACES_SAMPLER_ARG"),
            (["--otlp", "localhost:4318"], {}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
            (["--docs", "{empty}"], {}, "{empty}"),
        ],
    )
    def test_mistakes_are_found_before_anything_starts(
        self, tmp_path: Path, arguments: list[str], environment: dict[str, str], said: str
    ) -> None:
        """Wrong settings and a folder without texts are said in a sentence, and exit code 2."""
        done = subprocess.run(
            [*COMMAND, "--for", "2", *(argument.format(empty=tmp_path) for argument in arguments)],
            capture_output=True,
            text=True,
            timeout=60,
            env={**ENVIRONMENT, **environment},
            check=False,
        )

        assert done.returncode == 2
        assert said.format(empty=tmp_path) in done.stderr
        assert "Traceback" not in done.stderr

    def test_ended_though_interrupts_are_ignored(self) -> None:
        """SIGTERM ends it where Ctrl-C is ignored, as in a script's background job."""
        ignoring = (
            "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
        )
        with subprocess.Popen(
            [sys.executable, "-c", ignoring, *COMMAND, "--for", "60", "--port", str(_free_port())],
            stdout=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        ) as demo:
            assert demo.stdout is not None
            for line in demo.stdout:
                if "ready after" in line:
                    break
            demo.terminate()
            assert "interrupted" in demo.stdout.read()
            assert demo.wait(20) == 130
