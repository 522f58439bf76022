"""`capibara-otel registry`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from capibara_otel.cli import app, main
from capibara_otel.registry import load
from capibara_otel.semconv import promnames

_RUNNER = CliRunner()
_REGISTRY = load()


@pytest.fixture(name="faulty")
def _faulty(tmp_path: Path) -> Path:
    """A folder with a registry that has two findings."""
    (tmp_path / "a.yaml").write_text(
        'version: "2"\n'
        "metrics:\n"
        "  - {name: capibara6.y.a, instrument: counter, unit: sec, brief: A., annotations: {capibara: {subsystem: y}}}\n"
        '  - {name: capibara6.y.b, instrument: counter, unit: "{b}", brief: B, annotations: {capibara: {subsystem: y}}}\n',
        encoding="utf-8",
    )
    return tmp_path


class TestCheck:
    """`capibara-otel registry check`."""

    def test_the_shipped_registry(self) -> None:
        """It has no findings, and the exit code says so."""
        done = _RUNNER.invoke(app, ["registry", "check"])

        assert (done.exit_code, done.stdout, done.stderr) == (0, "0 findings\n", "")

    def test_findings(self, faulty: Path) -> None:
        """One a line, with place and mend, then their number; exit code 1."""
        done = _RUNNER.invoke(app, ["registry", "check", "--folder", str(faulty)])

        assert done.exit_code == 1
        assert done.stdout == (
            "a.yaml:3: [unit_not_ucum] capibara6.y.a has unit 'sec'; use a UCUM unit such as s, By, %, 1 or {request}\n"
            "a.yaml:4: [brief_sentence] the brief of capibara6.y.b must end with a full stop\n"
            "2 findings\n"
        )

    def test_one_finding(self, faulty: Path) -> None:
        """One finding is no plural."""
        text = (faulty / "a.yaml").read_text(encoding="utf-8")
        (faulty / "a.yaml").write_text(text.replace("sec", "s"), encoding="utf-8")

        assert _RUNNER.invoke(app, ["registry", "check", "--folder", str(faulty)]).stdout.endswith("\n1 finding\n")

    def test_as_json(self, faulty: Path) -> None:
        """The same for programs, and an empty list where all is well."""
        done = _RUNNER.invoke(app, ["registry", "check", "--folder", str(faulty), "--json"])

        assert done.exit_code == 1
        assert [(one["place"], one["id"], sorted(one)) for one in json.loads(done.stdout)] == [
            ("a.yaml:3", "unit_not_ucum", ["id", "message", "place"]),
            ("a.yaml:4", "brief_sentence", ["id", "message", "place"]),
        ]
        fine = _RUNNER.invoke(app, ["registry", "check", "--json"])
        assert (fine.exit_code, json.loads(fine.stdout)) == (0, [])


class TestList:
    """`capibara-otel registry list`."""

    def test_everything(self) -> None:
        """Every metric by its name in Prometheus, with what it is."""
        done = _RUNNER.invoke(app, ["registry", "list"])

        assert done.exit_code == 0
        assert done.stdout.splitlines() == [f"{promnames.series(spec)}  {spec.brief}" for spec in _REGISTRY.metrics]

    def test_of_a_subsystem(self) -> None:
        """Only the metrics that it emits."""
        done = _RUNNER.invoke(app, ["registry", "list", "--subsystem", "rag"])
        names = [line.split()[0] for line in done.stdout.splitlines()]

        assert names == [promnames.series(spec) for spec in _REGISTRY.metrics if spec.subsystem == "rag"]
        assert len(names) == 8

    def test_of_an_unknown_subsystem(self) -> None:
        """Wrong use: exit code 2, and the subsystems there are."""
        done = _RUNNER.invoke(app, ["registry", "list", "--subsystem", "rags"])

        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr == (
            "--subsystem 'rags' is none of ace, agents, api, business, e2b, llm, optimizations, rag, routing, system, telemetry\n"
        )

    def test_as_json(self) -> None:
        """The same for programs, with everything the registry knows."""
        done = _RUNNER.invoke(app, ["registry", "list", "--subsystem", "e2b", "--json"])
        rows = json.loads(done.stdout)

        assert {row["prometheus"] for row in rows} == {
            promnames.series(spec) for spec in _REGISTRY.metrics if spec.subsystem == "e2b"
        }
        (executions,) = [row for row in rows if row["prometheus"] == "capibara6_e2b_executions_total"]
        assert executions == {
            "prometheus": "capibara6_e2b_executions_total",
            "name": "capibara6.e2b.executions",
            "instrument": "counter",
            "unit": "{execution}",
            "brief": "Code executions by language and outcome.",
            "subsystem": "e2b",
            "attributes": ["capibara6.e2b.language", "capibara6.outcome", "error.type"],
            "buckets": [],
            "minimum": 0.0,
            "maximum": None,
            "legacy": False,
            "processes": "latest",
        }


@pytest.mark.parametrize("command", ["check", "list"])
@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("empty", "capibara_otel registry: 1 fault\n  no *.yaml in {}/empty\n"),
        ("nowhere", "capibara_otel registry: 1 fault\n  no *.yaml in {}/nowhere\n"),
        (".", 'capibara_otel registry: 1 fault\n  a.yaml:1: must begin with version: "2"\n'),
    ],
)
def test_a_folder_that_is_no_registry(
    folder: str,
    said: str,
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A user's mistake is a sentence on standard error and exit code 2."""
    (tmp_path / "a.yaml").write_text("metrics: []\n", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(sys, "argv", ["capibara-otel", "registry", command, "--folder", str(tmp_path / folder)])
    with pytest.raises(SystemExit) as left:
        main()

    assert left.value.code == 2
    assert capsys.readouterr() == ("", said.format(tmp_path))


def test_as_a_program(tmp_path: Path) -> None:
    """The program ends with the exit code, and shows no traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "capibara_otel.cli", "registry", "check", "--folder", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"capibara_otel registry: 1 fault\n  no *.yaml in {tmp_path}\n"


def test_the_group_alone_shows_its_help() -> None:
    """`capibara-otel registry` says what can be asked; that is wrong use."""
    done = _RUNNER.invoke(app, ["registry"])

    assert done.exit_code == 2
    assert "check" in done.output
    assert "list" in done.output
