"""`capibara-otel run`: which program it becomes, and in what environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from capibara_otel.cli.run import environment as observing
from capibara_otel.cli.run import run
from tests.integration.zero_code.programs import BIN
from tests.support.receiver import Receiver

SCRIPT = """
import sys
import capibara_otel as cap
with cap.rag.search(index="docs"):
    print(sys.argv[1:])
sys.exit(7)
"""


def capibara(*arguments: str, env: dict[str, str], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    return subprocess.run(
        [str(BIN / "capibara-otel"), *arguments],
        env=env,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_becomes_the_program(environment: dict[str, str], receiver: Receiver, tmp_path: Path) -> None:
    """Arguments, options among them, output and exit code are the program's own; what it emits arrives."""
    (tmp_path / "script.py").write_text(SCRIPT)

    ended = capibara("run", "python", "script.py", "--help", "--", "-x", env=environment, cwd=tmp_path)

    assert (ended.returncode, ended.stdout) == (7, "['--help', '--', '-x']\n"), ended.stderr
    assert "Traceback" not in ended.stderr
    assert receiver.spans == ["rag search docs"]


def test_programs_without_fastapi_do_not_import_it(environment: dict[str, str]) -> None:
    """Waiting for FastAPI does not mean importing it."""
    ended = capibara("run", "python", "-c", "import sys; print('fastapi' in sys.modules)", env=environment)

    assert ended.stdout == "False\n", ended.stderr


def test_without_an_activated_environment(environment: dict[str, str]) -> None:
    """A program beside our own Python is found though it is not on PATH."""
    ended = capibara("run", "uvicorn", "--version", env={**environment, "PATH": "/nowhere"})

    assert ended.returncode == 0
    assert "uvicorn" in ended.stdout.lower()
    assert "not observed" not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "said"), [([], "COMMAND"), (["no-such-program", "--x"], "'no-such-program' is no command on PATH")]
)
def test_what_cannot_be_run(environment: dict[str, str], arguments: list[str], said: str) -> None:
    """Without a program, or with one that is not there, a sentence says so; exit code 2, no traceback."""
    ended = capibara("run", *arguments, env=environment)

    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_as_a_function(capsys: pytest.CaptureFixture[str]) -> None:
    """The function behind the command says the same."""
    assert run([]) == 2
    assert run(["--"]) == 2
    assert run(["no-such-program"]) == 2
    assert capsys.readouterr().err.count("capibara-otel run: ") == 3


def test_a_file_that_is_no_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that the system cannot start is named."""
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x00\x01")
    broken.chmod(0o755)

    assert run([str(broken)]) == 2
    assert f"{broken} cannot be started" in capsys.readouterr().err


def test_a_program_of_another_environment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When PATH leads to another environment's program of that name, that one is started and a line says what it means."""
    other = tmp_path / "python"
    other.write_bytes(b"\x00\x01")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert run(["python"]) == 2
    assert f"{other} is not of the environment in {Path(sys.executable).parent}" in capsys.readouterr().err


def test_the_environment() -> None:
    """The folder of OpenTelemetry's start-up module comes first on PYTHONPATH, once; the rest stays as it is."""
    once = observing({"PYTHONPATH": os.pathsep.join(["/a", "", "/b"]), "HOME": "/home/x"})

    first, *others = once["PYTHONPATH"].split(os.pathsep)
    assert (Path(first) / "sitecustomize.py").is_file()
    assert others == ["/a", "/b"]
    assert (once["HOME"], once["OTEL_PYTHON_DISTRO"], once["OTEL_PYTHON_CONFIGURATOR"]) == (
        "/home/x",
        "capibara",
        "capibara",
    )
    assert observing(once) == once
    assert observing({})["PYTHONPATH"] == first
