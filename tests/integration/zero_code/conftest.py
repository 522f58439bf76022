"""Programs under `capibara-otel run`, a receiver for what they send, and an environment that points there."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.zero_code.programs import APP, BIN, Running, Start
from tests.support.receiver import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A healthy OTLP receiver."""
    with Receiver() as made:
        yield made


@pytest.fixture
def environment(receiver: Receiver, tmp_path: Path) -> dict[str, str]:
    """An environment whose telemetry goes to the receiver, without traces of this test run's own."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OTEL_", "CAPIBARA_", "PYTEST_", "PYTHONPATH"))
    }
    return {
        **inherited,
        **receiver.environment,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "OTEL_SERVICE_NAME": "shop",
        "CAPIBARA_SYSTEM_INTERVAL": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Start `capibara-otel run` with a command in which `{port}` is a free port."""
    running: list[Running] = []
    (tmp_path / "shop.py").write_text(APP)

    def begin(*command: str, **more: str) -> Running:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = int(free.getsockname()[1])
        filled = [part.format(port=port) for part in command]
        running.append(Running([str(BIN / "capibara-otel"), "run", *filled], tmp_path, {**environment, **more}, port))
        return running[-1]

    yield begin
    for each in running:
        each.kill()
