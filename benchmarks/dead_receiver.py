"""What a dead receiver costs a request: the same app with a healthy, a refusing and a silent one, in one run.

Each app runs in its own process under uvicorn; one client asks them in turn, so that what the machine does meanwhile
hits all alike. The ratio to the healthy one is what counts.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.support.receiver import Receiver

ROUNDS, REQUESTS = 12, 100
APP = """
import capibara_otel as cap
from fastapi import FastAPI

app = FastAPI()
cap.configure(service_name="bench")
cap.instrument_fastapi(app)


@app.get("/items/{number}")
async def item(number: int) -> int:
    with cap.rag.search(index="docs") as search:
        search.found(3)
    return number
"""


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def main() -> None:
    """Measure and print."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "bench_app.py").write_text(APP)
        receivers = {
            "healthy": stack.enter_context(Receiver("http/protobuf", "healthy")).endpoint,
            "refused": f"http://127.0.0.1:{free_port()}",
            "black hole": stack.enter_context(Receiver("http/protobuf", "black hole")).endpoint,
        }
        clients: dict[str, httpx.Client] = {}
        for name, endpoint in receivers.items():
            port = free_port()
            process = subprocess.Popen(
                [sys.executable, "-m", "uvicorn", "bench_app:app", "--port", str(port), "--log-level", "critical"],
                cwd=folder,
                env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_SCHEDULE_DELAY": "200"},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            stack.callback(process.wait, 10)
            stack.callback(process.terminate)
            clients[name] = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30))
            wait_for(clients[name])
        times: dict[str, list[float]] = {name: [] for name in clients}
        for _ in range(ROUNDS):
            for name, client in clients.items():
                for number in range(REQUESTS):
                    began = time.perf_counter()
                    client.get(f"/items/{number}")
                    times[name].append((time.perf_counter() - began) * 1000)
        healthy = statistics.median(times["healthy"])
        for name, taken in times.items():
            p50, p99 = statistics.median(taken), statistics.quantiles(taken, n=100)[98]
            page = clients[name].get("/metrics").text
            dropped = sum(
                float(line.split()[-1])
                for line in page.splitlines()
                if line.startswith("capibara6_telemetry_dropped_total")
            )
            print(
                f"{name:<11} p50 {p50:.2f} ms · p99 {p99:.2f} ms · ratio of p50 {p50 / healthy:.2f} · dropped {dropped:.0f}"
            )


def wait_for(client: httpx.Client) -> None:
    """Wait until an app answers."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            client.get("/items/1").raise_for_status()
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("the app did not start")


if __name__ == "__main__":
    main()
