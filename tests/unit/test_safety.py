"""Faults of telemetry stop at the boundary; in tests they are raised."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import threading

import pytest

from capibara_otel._safety import Once, count_faults, faults_are_raised, shield


class TestWhetherFaultsAreRaised:
    """In a test run yes, elsewhere no; `CAPIBARA_RAISE` decides otherwise."""

    def test_in_a_test_run(self) -> None:
        """Under pytest faults are raised."""
        assert faults_are_raised()

    @pytest.mark.parametrize(
        ("setting", "raised"),
        [
            ("1", True),
            ("true", True),
            (" Yes ", True),
            ("ON", True),
            ("0", False),
            ("", False),
            ("no", False),
            ("2", False),
        ],
    )
    def test_the_setting_decides(self, setting: str, raised: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        """The variable wins over pytest, in either direction."""
        monkeypatch.setenv("CAPIBARA_RAISE", setting)

        assert faults_are_raised() is raised

    def test_in_other_processes(self) -> None:
        """A program that only has pytest installed, or was only started by a test, is no test run."""
        environ = {
            name: value for name, value in os.environ.items() if name not in {"CAPIBARA_RAISE", "PYTEST_CURRENT_TEST"}
        }
        program = (
            "import os\n"
            "from capibara_otel._safety import faults_are_raised\n"
            "print(faults_are_raised())\n"
            "os.environ['PYTEST_CURRENT_TEST'] = 'x'\n"
            "print(faults_are_raised())\n"
            "import pytest\n"
            "print(faults_are_raised())\n"
            "del os.environ['PYTEST_CURRENT_TEST']\n"
            "print(faults_are_raised())\n"
        )
        done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)

        assert done.stdout.split() == ["False", "False", "True", "False"]


class TestOnce:
    """Things are said once."""

    def test_each_key_is_first_once(self) -> None:
        """A key is first one time, whatever else is asked between."""
        once = Once()

        assert [once.first(key) for key in ("a", "b", "a", ("a",), "b")] == [True, True, False, True, False]

    def test_it_is_bounded(self) -> None:
        """With no room left nothing is first any more, so that memory does not grow."""
        once = Once(limit=2)

        assert [once.first(key) for key in "abca"] == [True, True, False, False]

    def test_of_many_threads_one_is_first(self) -> None:
        """Asked by many at the same moment, one is told yes."""
        once, barrier, told = Once(), threading.Barrier(8), []

        def ask() -> None:
            barrier.wait()
            told.append(once.first("key"))

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(told) == [False] * 7 + [True]


class TestShield:
    """`with shield("place")`."""

    @pytest.fixture(name="quiet")
    def _quiet(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As outside of tests."""
        monkeypatch.setenv("CAPIBARA_RAISE", "0")

    def test_in_a_test_run_faults_are_raised(self) -> None:
        """There the fault goes on as it is, uncounted."""
        counted: list[str] = []
        fault = ValueError("x")
        with (
            pytest.raises(ValueError, match="x") as raised,
            shield("test.raised", lambda place, _: counted.append(place)),
        ):
            raise fault

        assert raised.value is fault
        assert counted == []

    @pytest.mark.usefixtures("quiet")
    def test_elsewhere_they_are_swallowed_and_counted(self, caplog: pytest.LogCaptureFixture) -> None:
        """The block is left, the code after it runs, and the fault is counted each time."""
        counted: list[tuple[str, Exception]] = []
        faults = [ValueError("one"), ValueError("two")]
        went_on = 0
        for fault in faults:
            with shield("test.counted", lambda place, error: counted.append((place, error))):
                raise fault
            went_on += 1

        assert went_on == 2
        assert counted == [("test.counted", fault) for fault in faults]
        assert all(record.levelno == logging.ERROR for record in caplog.records)

    @pytest.mark.usefixtures("quiet")
    def test_they_are_said_once_per_place_and_kind(self, caplog: pytest.LogCaptureFixture) -> None:
        """A fault that repeats is said once, with its traceback; another kind or place is said too."""
        for place, fault in [
            ("test.said", ValueError("first")),
            ("test.said", ValueError("second")),
            ("test.said", KeyError("third")),
            ("test.said.elsewhere", ValueError("fourth")),
        ]:
            with shield(place):
                raise fault

        assert [record.getMessage() for record in caplog.records] == [
            "telemetry fault in test.said; your code goes on, with less telemetry",
            "telemetry fault in test.said; your code goes on, with less telemetry",
            "telemetry fault in test.said.elsewhere; your code goes on, with less telemetry",
        ]
        assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == [
            "first",
            "'third'",
            "fourth",
        ]
        assert {record.name for record in caplog.records} == {"capibara_otel"}

    @pytest.mark.parametrize("leaving", [KeyboardInterrupt, SystemExit, asyncio.CancelledError, GeneratorExit])
    @pytest.mark.usefixtures("quiet")
    def test_what_is_no_fault_passes(self, leaving: type[BaseException]) -> None:
        """Interruption, exit and cancellation go on."""
        with pytest.raises(leaving), shield("test.leaving"):
            raise leaving

    @pytest.mark.usefixtures("quiet")
    def test_a_fault_while_counting(self) -> None:
        """Even counting may fail without reaching the caller."""

        def broken(_place: str, _fault: Exception) -> None:
            raise RuntimeError("no counter")

        with shield("test.counting", broken):
            raise ValueError

    def test_without_a_fault(self) -> None:
        """Nothing is counted where nothing happened."""
        counted: list[str] = []
        with shield("test.fine", lambda place, _: counted.append(place)):
            pass

        assert counted == []

    @pytest.mark.usefixtures("quiet")
    def test_faults_of_no_known_instance_are_counted_by_whoever_asked(self) -> None:
        """A fault deep in the pipeline is counted once per listener, until he has heard enough."""
        counted: list[str] = []

        def count(place: str, _fault: Exception) -> None:
            counted.append(place)

        for wanted in (True, True, False):
            count_faults(count, wanted=wanted)
            with shield(f"test.{wanted}"):
                raise ValueError

        assert counted == ["test.True", "test.True"]
