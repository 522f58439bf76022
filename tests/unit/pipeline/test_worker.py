"""The thread that sends."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, get_value

from capibara_otel.pipeline.worker import WORKERS, Occasion, Worker, in_worker


class Job:
    """Notes why it was run; runs when it is let."""

    def __init__(self) -> None:
        self.occasions: list[Occasion] = []
        self.may_go = threading.Event()
        self.may_go.set()
        self.answer = True
        self.ran = threading.Semaphore(0)
        self.in_worker: list[bool] = []
        self.suppressed: list[object] = []

    def __call__(self, occasion: Occasion) -> bool:
        """Run."""
        self.ran.release()
        self.may_go.wait(10)
        self.in_worker.append(in_worker())
        self.suppressed.append(get_value(_SUPPRESS_INSTRUMENTATION_KEY))
        self.occasions.append(occasion)
        return self.answer


@pytest.fixture
def job() -> Job:
    """A job."""
    return Job()


@pytest.fixture
def worker(job: Job) -> Iterator[Worker]:
    """A worker that runs only when asked."""
    made = Worker("test-worker", job, delay_s=None)
    yield made
    job.may_go.set()
    made.stop()
    assert made.join(10)


def test_a_flush_waits_for_a_run_that_began_after_it(worker: Worker, job: Job) -> None:
    """A run under way does not answer a flush: what was put after its start would be missing."""
    job.may_go.clear()
    first = worker.ask_flush()
    assert job.ran.acquire(timeout=10)
    second = worker.ask_flush()
    assert not worker.wait_flush(first, 0.01)
    job.may_go.set()
    assert worker.wait_flush(second, 10)
    assert job.occasions == ["flush", "flush"]


def test_a_flush_keeps_its_deadline(worker: Worker, job: Job) -> None:
    """Whoever waits for a flush goes on when his time is up."""
    job.may_go.clear()
    assert not worker.wait_flush(worker.ask_flush(), 0)


def test_a_run_that_was_asked_for_is_known_to_be_wanted(worker: Worker, job: Job) -> None:
    """Whoever works on can see that somebody waits for the next run."""
    job.may_go.clear()
    wanted = [worker.is_wanted]
    worker.wake()
    assert job.ran.acquire(timeout=10)
    wanted.append(worker.is_wanted)
    worker.wake()
    wanted.append(worker.is_wanted)
    job.may_go.set()
    assert worker.wait_flush(worker.ask_flush(), 10)
    assert [*wanted, worker.is_wanted] == [False, False, True, False]


def test_a_flush_that_went_wrong_says_so(worker: Worker, job: Job) -> None:
    """The job's answer is the flush's."""
    job.answer = False
    assert not worker.wait_flush(worker.ask_flush(), 10)
    job.answer = True
    assert worker.wait_flush(worker.ask_flush(), 10)


def test_waking_runs_the_job_soon(worker: Worker, job: Job) -> None:
    """A wake-up is one run, and is told as such."""
    worker.wake()
    assert job.ran.acquire(timeout=10)
    assert worker.wait_flush(worker.ask_flush(), 10)
    assert job.occasions == ["wake", "flush"]


def test_it_runs_at_its_interval_and_a_last_time(job: Job) -> None:
    """Between the intervals nothing runs; the last run is told as the last, and the thread ends."""
    worker = Worker("test-worker", job, delay_s=0.01)
    for _ in range(3):
        assert job.ran.acquire(timeout=10)
    worker.stop()
    assert worker.join(10)
    assert job.occasions[:2] == ["tick", "tick"]
    assert job.occasions.count("stop") == 1
    assert job.occasions[-1] == "stop"
    assert "test-worker" not in {thread.name for thread in threading.enumerate()}


def test_an_ended_worker_is_no_worker_any_more(job: Job) -> None:
    """Threads that come later may have the same ident; what they emit is sent."""
    before = set(WORKERS)
    worker = Worker("test-worker", job, delay_s=None)
    assert worker.wait_flush(worker.ask_flush(), 10)
    (thread,) = (each for each in threading.enumerate() if each.name == "test-worker")
    assert thread.ident in WORKERS
    worker.stop()
    thread.join(10)
    assert before >= WORKERS


def test_after_its_end_nothing_runs_and_nobody_waits(job: Job) -> None:
    """Asking an ended worker is answered with no at once."""
    worker = Worker("test-worker", job, delay_s=None)
    worker.stop()
    assert worker.join(10)
    worker.wake()
    assert not worker.wait_flush(worker.ask_flush(), 10)
    worker.after_fork()
    assert worker.join(0)
    assert job.occasions == ["stop"]


def test_what_the_job_does_is_no_telemetry(worker: Worker, job: Job) -> None:
    """In the thread instrumentation is suppressed, and it can be told from others."""
    assert worker.wait_flush(worker.ask_flush(), 10)
    assert job.in_worker == [True]
    assert job.suppressed == [True]
    assert not in_worker()
    assert get_value(_SUPPRESS_INSTRUMENTATION_KEY) is None


def test_a_machine_without_threads_ends_no_app(
    job: Job, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where no thread can be had that is said, and whoever waits is answered with no at once."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    worker = Worker("test-worker", job, delay_s=None)
    assert not worker.wait_flush(worker.ask_flush(), 10)
    worker.stop()
    assert worker.join(10)
    assert [record.getMessage() for record in caplog.records] == [
        "no thread test-worker (can't start new thread): what it would send is dropped and counted"
    ]


def test_a_fault_in_the_job_ends_nothing(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A job that raises has gone wrong; the thread lives on and runs it again."""
    monkeypatch.setenv("CAPIBARA_RAISE", "0")
    answers: Iterator[bool] = iter([True])

    def job(_: Occasion) -> bool:
        if not tried:
            tried.append(True)
            raise RuntimeError("broken")
        return next(answers)

    tried: list[bool] = []
    worker = Worker("test-worker", job, delay_s=None)
    assert not worker.wait_flush(worker.ask_flush(), 10)
    assert worker.wait_flush(worker.ask_flush(), 10)
    answers = iter([True])
    worker.stop()
    assert worker.join(10)
