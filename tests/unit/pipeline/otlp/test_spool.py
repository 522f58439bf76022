"""What waits on disk."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from textwrap import dedent

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from capibara_otel.pipeline.health import Health
from capibara_otel.pipeline.otlp.spool import Claim, Spool
from tests.support.otlp_send import request

BLOCK = 4096


class Clock:
    """Time that moves with each look at it, so that every file has a moment of its own."""

    def __init__(self) -> None:
        self.ns = time.time_ns()

    def __call__(self) -> int:
        """Return the next moment."""
        self.ns += 1000
        return self.ns


CLOCK = Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where requests wait; not there yet."""
    return tmp_path / "a" / "spool"


@pytest.fixture
def health() -> Health:
    """Where they are counted."""
    return Health()


def spool_in(folder: Path, health: Health | None = None, limit: int = 100 * BLOCK) -> Spool:
    """Return a spool that looks into its folder each time."""
    ticks = iter(range(10**9))
    return Spool(folder, limit, health or Health(), time_ns=CLOCK, clock=lambda: 2.0 * next(ticks))


@pytest.fixture
def spool(folder: Path, health: Health) -> Spool:
    """A spool."""
    return spool_in(folder, health)


def claimed(spool: Spool, signal: str = "logs") -> Claim:
    """Return a claim that there must be."""
    claim = spool.claim("traces" if signal == "traces" else "logs")
    assert claim is not None
    return claim


def test_what_is_put_aside_comes_back_oldest_first(spool: Spool) -> None:
    """Each signal has its own order, by time."""
    for body in ("1", "2", "3"):
        assert spool.put("logs", request(body), 1) == "kept"
    assert spool.put("traces", b"span", 7) == "kept"
    found = []
    while (claim := spool.claim("logs")) is not None:
        found.append(claim.body)
        spool.drop(claim)
    assert found == [request("1"), request("2"), request("3")]
    claim = claimed(spool, "traces")
    assert (claim.items, claim.body, claim.is_own) == (7, b"span", True)


def test_a_file_is_a_request_that_anybody_can_read(spool: Spool, folder: Path) -> None:
    """The official classes read it, and nobody but the user may."""
    spool.put("logs", request("work"), 1)
    (file,) = folder.iterdir()
    (resource,) = ExportLogsServiceRequest.FromString(file.read_bytes()).resource_logs
    assert resource.scope_logs[0].log_records[0].body.string_value == "work"
    assert (file.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_later_process_goes_on(folder: Path) -> None:
    """What an earlier one has put aside is found, and known to be its."""
    spool_in(folder).put("logs", b"work", 1)
    claim = claimed(spool_in(folder))
    assert (claim.body, claim.is_own) == (b"work", False)


def test_what_was_put_aside_is_counted_until_it_leaves(spool: Spool, health: Health, folder: Path) -> None:
    """A process counts what it has put aside, and takes it off again when it has sent it itself."""
    spool_in(folder).put("logs", b"another's", 5)
    spool.put("logs", b"own", 3)
    health.count_spooled("logs", 3)
    for left in (3, 0):
        spool.drop(claimed(spool))
        assert health.spooled("logs") == left


def test_the_oldest_make_room(folder: Path, health: Health) -> None:
    """At the bound the oldest go, of whatever signal, and are counted; files count as the blocks they take."""
    spool = spool_in(folder, health, limit=3 * BLOCK)
    spool.put("traces", b"a", 5)
    spool.put("logs", b"b", 1)
    spool.put("logs", b"c", 1)
    assert spool.size() == 3 * BLOCK
    assert spool.put("logs", b"d" * (BLOCK + 1), 1) == "kept"
    assert health.dropped("traces", "spool_full") == 5
    assert health.dropped("logs", "spool_full") == 1
    assert spool.size() == 3 * BLOCK
    assert claimed(spool).body == b"c"


def test_what_is_larger_than_the_whole_has_no_room(folder: Path, health: Health) -> None:
    """It drives nothing else out."""
    spool = spool_in(folder, health, limit=2 * BLOCK)
    spool.put("logs", b"a", 1)
    assert spool.put("logs", b"b" * (2 * BLOCK + 1), 1) == "full"
    assert spool.size() == BLOCK
    assert health.dropped("logs") == 0


def test_what_is_being_sent_is_not_driven_out(folder: Path, health: Health) -> None:
    """Where all that waits is being sent there is no room."""
    spool = spool_in(folder, health, limit=BLOCK)
    spool.put("logs", b"a", 1)
    claim = claimed(spool)
    assert spool.put("logs", b"b", 1) == "full"
    assert health.dropped("logs") == 0
    spool.drop(claim)
    assert spool.put("logs", b"b", 1) == "kept"


def test_one_request_is_sent_by_one_process(folder: Path) -> None:
    """Who finds a request claimed goes on to the next; what is released is there again, what was sent is not."""
    first, second = spool_in(folder), spool_in(folder)
    first.put("logs", b"1", 1)
    first.put("logs", b"2", 1)
    mine, theirs = claimed(first), claimed(second)
    assert (mine.body, theirs.body) == (b"1", b"2")
    assert first.claim("logs") is None
    second.release(theirs)
    again = claimed(first)
    assert again.body == b"2"
    first.drop(again)
    first.drop(mine)
    assert second.claim("logs") is None
    assert list(folder.iterdir()) == []


def test_a_request_that_was_just_sent_is_not_sent_again(folder: Path) -> None:
    """A process that has listed it before another has deleted it passes it over."""
    first, second = spool_in(folder), spool_in(folder)
    for body in (b"1", b"2", b"3"):
        first.put("logs", body, 1)
    second.release(claimed(second))
    seen = claimed(second)
    second.drop(seen)
    first_seen = claimed(first)
    second_seen = claimed(second)
    assert (seen.body, first_seen.body, second_seen.body) == (b"1", b"2", b"3")


@pytest.mark.parametrize("damage", [b"", b"wor", b"w0rk", b"work and more"])
def test_what_is_not_what_was_written_is_dropped_and_counted(
    spool: Spool, folder: Path, health: Health, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that a power failure or somebody has changed is never sent; it is said once, its items are counted."""
    for _ in range(2):
        spool.put("logs", b"work", 2)
        health.count_spooled("logs", 2)
    for file in folder.iterdir():
        file.write_bytes(damage)
    assert spool.claim("logs") is None
    assert list(folder.iterdir()) == []
    assert (health.dropped("logs", "export_failed"), health.spooled("logs")) == (4, 0)
    assert [record.getMessage().partition(" is ")[2] for record in caplog.records] == [
        "not what was written; it is deleted, what it held is lost"
    ]


def test_a_folder_that_cannot_be_is_said_once(tmp_path: Path, health: Health, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing raises: the app goes on, and whoever reads the log knows what to do."""
    (tmp_path / "file").write_text("in the way")
    spool = spool_in(tmp_path / "file", health)
    for _ in range(3):
        assert spool.put("logs", b"work", 1) == "failed"
        assert spool.claim("logs") is None
        assert spool.size() == 0
    assert [record.levelname for record in caplog.records] == ["WARNING"] * len(caplog.records)
    assert 1 <= len(caplog.records) <= 2
    assert "Set CAPIBARA_SPOOL_DIR to a folder that can be written to" in caplog.text


def test_a_write_that_fails_leaves_nothing_behind(folder: Path) -> None:
    """A request that cannot be written whole is not there at all."""
    program = f"""
        import resource
        from pathlib import Path
        from capibara_otel.pipeline.health import Health
        from capibara_otel.pipeline.otlp.spool import Spool
        spool = Spool(Path({str(folder)!r}), 2**30, Health())
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        print(spool.put("logs", b"x" * 5000, 1), spool.put("logs", b"x", 1))
    """
    found = subprocess.run([sys.executable, "-c", dedent(program)], capture_output=True, text=True, check=True)
    assert found.stdout == "failed kept\n"
    assert [file.suffix for file in folder.iterdir()] == [".otlp"]


def test_what_was_left_unfinished_is_tidied_up(folder: Path) -> None:
    """A killed process's unfinished file goes at the next start; one that is being written stays, strangers too."""
    folder.mkdir(parents=True)
    for name, age_s in (("old.otlp.unfinished", 3600), ("new.otlp.unfinished", 0), ("readme.txt", 3600)):
        (folder / name).write_bytes(b"x")
        os.utime(folder / name, (time.time() - age_s,) * 2)
    spool = spool_in(folder)
    assert sorted(file.name for file in folder.iterdir()) == ["new.otlp.unfinished", "readme.txt"]
    assert spool.claim("logs") is None
    assert spool.size() == 0


def test_threads_share_a_spool(spool: Spool, health: Health, folder: Path) -> None:
    """Put by many at once, nothing is lost, and every request is taken once."""

    def put() -> None:
        for _ in range(25):
            assert spool.put("logs", b"work", 1) == "kept"

    threads = [threading.Thread(target=put) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(folder.iterdir())) == 100
    taken = 0
    while (claim := spool.claim("logs")) is not None:
        spool.drop(claim)
        taken += 1
    assert taken == 100


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_leaves_its_parents_requests_alone(folder: Path) -> None:
    """The child holds no lock of its parent's: it may outlive it. What the parent put aside is not the child's own."""
    program = f"""
        import os
        from pathlib import Path
        from capibara_otel.pipeline.health import Health
        from capibara_otel.pipeline.otlp.spool import Spool
        spool = Spool(Path({str(folder)!r}), 2**30, Health())
        spool.put("logs", b"1", 1)
        spool.put("logs", b"2", 1)
        claim = spool.claim("logs")
        parents_end, held_by_parent = os.pipe()
        childs_word, told_by_child = os.pipe()
        if os.fork() == 0:
            os.close(held_by_parent)
            spool.after_fork()
            child = spool.claim("logs")
            print(child.body, child.is_own, flush=True)
            os.write(told_by_child, b"x")
            os.read(parents_end, 1)
            while (parents := spool.claim("logs")) is None:
                pass
            print(parents.body, flush=True)
            os._exit(0)
        os.read(childs_word, 1)
        os._exit(0)
    """
    found = subprocess.run([sys.executable, "-c", dedent(program)], capture_output=True, text=True, check=True)
    assert found.stdout == "b'2' False\nb'1'\n"
