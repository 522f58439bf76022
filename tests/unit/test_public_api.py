"""What `import capibara_otel` gives, and what it does not cost."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

import capibara_otel
from capibara_otel.sdk import DEFAULT, Capibara

_ROOT = Path(__file__).resolve().parents[2]


def test_all_is_sorted_and_without_doubles() -> None:
    """`__all__` can be read."""
    assert capibara_otel.__all__ == sorted(set(capibara_otel.__all__))


def test_all_is_complete() -> None:
    """Every public name is in `__all__` and every name of it is there."""
    tools = {"annotations", "Any", "DEFAULT", "TYPE_CHECKING"}
    public = {
        name
        for name, value in vars(capibara_otel).items()
        if not name.startswith("_") and not isinstance(value, ModuleType) and name not in tools
    }

    assert public | {"__version__", "log"} == set(capibara_otel.__all__)
    assert all(getattr(capibara_otel, name) is not None for name in capibara_otel.__all__)


def test_its_functions_are_the_default_instances() -> None:
    """Each function and subsystem of the module is the default instance's own."""
    of_the_instance = [name for name in capibara_otel.__all__ if hasattr(Capibara(), name)]

    assert set(of_the_instance) == set(capibara_otel.__all__) - {
        "Capibara",
        "CapibaraError",
        "ConfigurationError",
        "MissingExtraError",
        "Operation",
        "OperationHook",
        "OperationRecord",
        "UsageError",
        "__version__",
        "propagate",
    }
    assert all(getattr(capibara_otel, name) == getattr(DEFAULT, name) for name in of_the_instance)


def test_every_subsystem_is_exported() -> None:
    """What an instance has, the module has."""
    subsystems = {
        name for name, value in vars(DEFAULT).items() if type(value).__module__.startswith("capibara_otel.subsystems")
    }

    assert len(subsystems) == 10
    assert subsystems <= set(capibara_otel.__all__)


def test_the_version() -> None:
    """It is the one of the project file."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    assert capibara_otel.__version__ == project["project"]["version"]


def test_a_name_that_is_not_there() -> None:
    """The message is Python's own."""
    with pytest.raises(AttributeError, match=r"^module 'capibara_otel' has no attribute 'no_such'$"):
        _ = capibara_otel.no_such


def test_it_is_typed() -> None:
    """Type checkers take the package's annotations."""
    assert (Path(capibara_otel.__file__).parent / "py.typed").is_file()


def _imported(program: str) -> list[str]:
    """Return the modules that a program imports in a fresh process, beyond those of the interpreter's start."""
    code = f"import sys; before = set(sys.modules)\n{program}\nimport json; print(json.dumps(sorted(set(sys.modules) - before)))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    names: list[str] = json.loads(done.stdout.splitlines()[-1])
    return names


_COSTLY = (
    "fastapi", "starlette", "httpx", "requests", "urllib3", "grpc", "yaml", "psutil", "structlog", "pydantic",
    "pydantic_settings", "prometheus_client", "rich", "typer", "pytest", "opentelemetry.sdk",
    "opentelemetry.exporter", "opentelemetry.instrumentation", "google", "multiprocessing", "sqlite3",
)  # fmt: skip


@pytest.mark.parametrize(
    "program",
    [
        "import capibara_otel",
        (
            "import capibara_otel as cap\n"
            "with cap.context(user_id='u'), cap.rag.search(index='docs') as search: search.found(1)\n"
            "cap.llm.record_chat('openai', 'm', 1.0)\n"
            "assert cap.shutdown()"
        ),
    ],
    ids=["import", "helpers without configuration"],
)
def test_importing_is_cheap(program: str) -> None:
    """No web framework, no HTTP client, no YAML, no SDK: an app that only calls helpers pays for none of them."""
    imported = _imported(program)
    costly = [name for name in imported if name.startswith(tuple(f"{one}." for one in _COSTLY)) or name in _COSTLY]

    assert "capibara_otel.sdk" in imported
    assert costly == []


def test_what_is_needed_is_imported_where_it_is_asked_for() -> None:
    """Logging brings its own room, and still neither structlog nor an SDK."""
    imported = _imported("import capibara_otel as cap\ncap.log.api.debug('x')")

    assert "capibara_otel.logs.bound" in imported
    assert "structlog" not in imported
    assert not [name for name in imported if name.startswith(("opentelemetry.sdk", "fastapi", "yaml"))]


def test_importing_does_nothing_else() -> None:
    """Neither a thread nor an open file comes of it, and nothing is printed."""
    program = (
        "import threading, os, sys\n"
        "before = set(os.listdir('/proc/self/fd')) if os.path.isdir('/proc/self/fd') else set()\n"
        "import capibara_otel\n"
        "after = set(os.listdir('/proc/self/fd')) if os.path.isdir('/proc/self/fd') else set()\n"
        "print(threading.active_count(), len(after) - len(before))\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True)

    assert (done.stdout, done.stderr) == ("1 0\n", "")
