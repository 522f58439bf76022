"""The README's code is run as it stands."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[3]
BLOCK = re.compile(r"^```(\w+)(?: title=(\S+))?\n(.*?)^```", re.MULTILINE | re.DOTALL)
QUIET = {**os.environ, "CAPIBARA_SYSTEM_INTERVAL": "0", "CAPIBARA_RAISE": "1"}


def _blocks(language: str, *, titled: bool) -> list[tuple[str, str]]:
    text = (ROOT / "README.md").read_text("utf-8")
    return [(title, code) for kind, title, code in BLOCK.findall(text) if kind == language and bool(title) == titled]


def _titled(name: str) -> str:
    return dict(_blocks("python", titled=True))[name]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_untitled_python_runs_in_order(tmp_path: Path) -> None:
    """All snippets together, definitions of the reader's own functions included, are one program that works."""
    snippets = [code for _, code in _blocks("python", titled=False)]
    assert len(snippets) >= 4
    program = tmp_path / "snippets.py"
    program.write_text("\n\n".join(snippets), "utf-8")

    done = subprocess.run(
        [sys.executable, program], capture_output=True, text=True, timeout=60, env=QUIET, cwd=tmp_path, check=False
    )

    assert done.returncode == 0, done.stderr


def test_the_app_serves_and_shows_its_metrics(tmp_path: Path) -> None:
    """The two lines in `app.py` give exactly the series that the README shows."""
    (tmp_path / "app.py").write_text(_titled("app.py"), "utf-8")
    port = _free_port()
    command = [sys.executable, "-m", "uvicorn", "app:app", "--port", str(port), "--log-level", "warning"]
    with subprocess.Popen(command, cwd=tmp_path, env=QUIET, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as server:
        try:
            url = f"http://127.0.0.1:{port}"
            for _ in range(200):
                try:
                    assert httpx.get(f"{url}/items/7").json() == {"item": 7}
                    break
                except httpx.TransportError:
                    time.sleep(0.05)
            shown = next(
                line
                for line in (ROOT / "README.md").read_text("utf-8").splitlines()
                if line.startswith("capibara6_api_requests_total{")
            )
            assert shown in httpx.get(f"{url}/metrics").text.splitlines()
        finally:
            server.terminate()
            server.wait(10)


def test_the_test_kit_works_as_shown(tmp_path: Path) -> None:
    """The example test passes in a project of its own."""
    (tmp_path / "test_answer.py").write_text(_titled("test_answer.py"), "utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_answer.py"],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        cwd=tmp_path,
        check=False,
    )

    assert "1 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("target", ["demo", "test"])
def test_the_two_commands_are_make_targets(target: str) -> None:
    """What the README names first exists in the Makefile."""
    assert re.search(rf"^\$ make {target}\b", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)


def test_every_link_leads_somewhere() -> None:
    """Relative links of the documents point to files that exist."""
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.relative_to(ROOT)} links to {link}"
