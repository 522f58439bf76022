"""OpenTelemetry's own instrumentations on the own pipeline: their published test suites, unchanged.

The source distributions come with their tests. Each suite runs twice, on the official SDK and on the own pipeline: a
test that fails on both says something about the versions that are installed, not about the pipeline.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.suites, pytest.mark.timeout(600)]

HERE = Path(__file__).parent
SUITES = HERE.parents[2] / ".tools" / "suites"

OTHERWISE = "test_custom_tracer_provider"
"""Asks for the very resource object that the SDK was given; a span of the own pipeline has an equal one."""
# None of this project's own settings and plugins.
_QUIET = ("-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:timeout")


def _run(suite: str, *, capibara: bool) -> tuple[set[str], int, str]:
    """Run a suite; return the tests that failed, how many passed, and what was printed."""
    (folder,) = SUITES.glob(f"opentelemetry_instrumentation_{suite}-*[0-9b]")
    (tools,) = SUITES.glob("opentelemetry_test_utils-*[0-9b]")
    path = os.pathsep.join([str(tools / "src"), str(HERE)])
    plugin = ["-p", "on_capibara"] if capibara else []
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OTEL_", "CAPIBARA_", "PYTEST_", "COVERAGE_"))
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "tests", "-q", "-rf", *_QUIET, *plugin],
        cwd=folder,
        env={**clean, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    failed = set(re.findall(r"^(?:FAILED|ERROR|SUBFAILED\S*) \S+?\.py::(\S+)", done.stdout, re.MULTILINE))
    passed = re.search(r"(\d+) passed", done.stdout)
    return failed, int(passed[1]) if passed else 0, done.stdout + done.stderr


@pytest.mark.parametrize("suite", ["asgi", "fastapi", "httpx", "logging", "requests"])
def test_a_published_suite_fares_as_on_the_official_sdk(suite: str) -> None:
    """What passes on the official SDK passes on the own pipeline, test for test."""
    failed_there, passed_there, _ = _run(suite, capibara=False)
    failed, passed, output = _run(suite, capibara=True)

    assert passed >= 50, output
    otherwise = {name for name in failed if name.endswith(f"::{OTHERWISE}")}
    assert failed - otherwise == failed_there, output
    assert passed + len(otherwise) == passed_there, output
