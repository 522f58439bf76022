"""What the own pipeline brings into a process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import sys
import capibara_otel as cap
cap.configure(service_name="mine", pipeline="capibara")
with cap.rag.search(index="docs") as search:
    search.found(1)
cap.log.rag.info("done")
cap.metrics()
heavy = ("opentelemetry.sdk", "opentelemetry.exporter", "prometheus_client", "requests", "grpc", "google.protobuf", "yaml")
print(sorted({name for name in sys.modules for each in heavy if name == each or name.startswith(each + ".")}))
"""


@pytest.mark.parametrize("endpoint", ["", "http://127.0.0.1:1"])
def test_nothing_of_the_official_sdk_is_imported(endpoint: str) -> None:
    """A configured process that was measured, logged and scraped has imported none of the large libraries."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "CAPIBARA_"))}
    env = {**clean, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "CAPIBARA_SHUTDOWN_TIMEOUT": "0"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr
