"""Apps that never heard of this package, under real servers in real processes."""

from __future__ import annotations

import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.integration.zero_code.programs import Start
from tests.support.receiver import Receiver

UVICORN = ("uvicorn", "shop:app", "--port", "{port}")
GUNICORN = ("gunicorn", "-k", "uvicorn_worker.UvicornWorker", "shop:app", "-b", "127.0.0.1:{port}")


def requests(receiver: Receiver) -> int:
    """Return how many requests the metrics received tell of, all processes together."""
    last: dict[str, float] = {}
    for resource, metric in receiver.metrics("capibara6.api.requests"):
        last[resource["service.instance.id"]] = sum(point.as_int or point.as_double for point in metric.sum.data_points)
    return int(sum(last.values()))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    "command", [UVICORN, (*UVICORN, "--workers", "2"), GUNICORN, (*GUNICORN, "-w", "2"), ("--", *UVICORN)]
)
def test_every_request_arrives(
    start: Start, receiver: Receiver, command: tuple[str, ...], number: signal.Signals
) -> None:
    """Ended by a signal right after the last response, a server has told of every request, once, in time."""
    server = start(*command)
    pids = {server.get(f"/items/{item}").json()["pid"] for item in range(20)}
    took = server.end(number)

    spans = Counter(receiver.spans)
    assert spans["GET /items/{item}"] == 20, server.output
    assert requests(receiver) == 20
    assert {resource["service.name"] for resource in receiver.resources("traces")} == {"shop"}
    assert len({resource["service.instance.id"] for resource in receiver.resources("traces")}) == len(pids)
    assert not [name for name in spans if "http send" in name or "http receive" in name]
    assert took < 6, server.output
    assert "Traceback" not in server.output


def test_installed_instrumentations_are_active(start: Start, receiver: Receiver) -> None:
    """A call the app makes with httpx is a client span below the request, and carries its trace on."""
    server = start(*UVICORN)
    assert server.get("/calls", params={"url": f"http://127.0.0.1:{server.port}/items/7"}).json() == 200
    server.end()

    spans = {
        span.name: span
        for request in receiver.received["traces"]
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }
    called, call, calling = spans["GET /items/{item}"], spans["GET"], spans["GET /calls"]
    assert len({called.trace_id, call.trace_id, calling.trace_id}) == 1
    assert (called.parent_span_id, call.parent_span_id) == (call.span_id, calling.span_id)


def test_some_can_be_left_out(start: Start, receiver: Receiver) -> None:
    """An instrumentation named in the setting is not activated."""
    server = start(*UVICORN, CAPIBARA_DISABLED_INSTRUMENTATIONS="httpx")
    server.get("/calls", params={"url": f"http://127.0.0.1:{server.port}/items/7"})
    server.end()

    assert sorted(receiver.spans) == ["GET /calls", "GET /items/{item}"]


def test_reloaders(start: Start, receiver: Receiver, tmp_path: Path) -> None:
    """A reloader's workers are observed, the one before and the one after a change."""
    server = start(*UVICORN, "--reload", "--reload-delay", "0.1")
    first = server.get("/items/1").json()["pid"]
    source = tmp_path / "shop.py"
    source.write_text(source.read_text() + "\n# changed\n")
    deadline = time.monotonic() + 20
    while (second := server.get("/items/2").json()["pid"]) == first:
        assert time.monotonic() < deadline, server.output
        time.sleep(0.1)
    server.end()

    assert second != first
    instances = {resource["service.instance.id"] for resource in receiver.resources("traces")}
    assert len(instances) == 2, server.output


def test_the_metrics_page_is_there(start: Start) -> None:
    """The app that never heard of it serves a metrics page."""
    server = start(*UVICORN, OTEL_EXPORTER_OTLP_ENDPOINT="")
    server.get("/items/1")

    assert 'http_route="/items/{item}"' in server.get("/metrics").text


def test_wrong_settings_are_said_and_the_app_runs(start: Start, receiver: Receiver) -> None:
    """Settings that are wrong are named on standard error; the app serves, without telemetry and without traceback."""
    server = start(*UVICORN, CAPIBARA_LOG_LEVEL="loud", CAPIBARA_SYSTEM_INTERVAL="-1")
    assert server.get("/items/1").status_code == 200
    assert server.get("/metrics").status_code == 404
    server.end()

    assert "CAPIBARA_LOG_LEVEL" in server.output
    assert "CAPIBARA_SYSTEM_INTERVAL" in server.output
    assert "the app runs without telemetry" in server.output
    assert "Traceback" not in server.output
    assert receiver.spans == []
