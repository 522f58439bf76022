"""The end of real servers: within 3 seconds whatever the receiver does, in one process and in several."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

import httpx
import pytest

from tests.support.receiver import Receiver

BIN = Path(sys.executable).parent
APP = """
import capibara_otel as cap
from fastapi import FastAPI

app = FastAPI()
cap.configure(service_name="shop", system_interval=1)
cap.instrument_fastapi(app)


@app.get("/items/{number}")
async def item(number: int) -> int:
    return number
"""
PLAIN = APP.replace('cap.configure(service_name="shop", system_interval=1)\ncap.instrument_fastapi(app)\n', "")
WAYS = {
    "two lines": ["uvicorn", "app:app"],
    "two lines, workers": ["uvicorn", "app:app", "--workers", "2"],
    "untouched": ["capibara-otel", "run", "uvicorn", "plain:app"],
    "untouched, workers": ["capibara-otel", "run", "uvicorn", "plain:app", "--workers", "2"],
}


def _refused() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("mode", ["black hole", "refused"])
@pytest.mark.parametrize("way", WAYS)
def test_ends_in_time(tmp_path: Path, way: str, mode: Literal["black hole", "refused"], ending: signal.Signals) -> None:
    """A server that served ends within 3 s of the signal, its supervisor and workers too."""
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "plain.py").write_text(PLAIN)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with Receiver("http/protobuf", "black hole" if mode == "black hole" else "healthy") as receiver:
        environment = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("OTEL_", "CAPIBARA_", "PYTEST", "COVERAGE"))
            },
            **receiver.environment,
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        }
        if mode == "refused":
            environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = _refused()
        with subprocess.Popen(
            [str(BIN / WAYS[way][0]), *WAYS[way][1:], "--port", str(port), "--log-level", "warning"],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as server:
            try:
                until = time.monotonic() + 30
                served = 0
                while served < 20:
                    assert time.monotonic() < until
                    try:
                        served += httpx.get(f"http://127.0.0.1:{port}/items/7").json() == 7
                    except httpx.TransportError:
                        time.sleep(0.1)
                server.send_signal(ending)
                began = time.monotonic()
                output = server.communicate(timeout=20)[0].decode()
                took = time.monotonic() - began
            finally:
                server.kill()

    assert took <= 3, output
