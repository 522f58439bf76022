"""The pipeline's own settings, end to end: real servers and programs, a receiver that lives, dies and is back."""

from __future__ import annotations

import os
import signal
import socket
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from textwrap import dedent
from typing import Final, TypeAlias

import pytest

from tests.integration.pipeline.pages import Page
from tests.integration.pipeline.programs import Program
from tests.integration.pipeline.served import APP, GUNICORN, UVICORN, Client, connect, wait_until_all_show
from tests.integration.web.servers import wait_for
from tests.integration.zero_code.programs import BIN, Running
from tests.support.receiver import Receiver

pytestmark = pytest.mark.skipif(
    os.environ.get("CAPIBARA_PIPELINE") == "sdk", reason="most of these settings are the own pipeline's"
)

Run: TypeAlias = Callable[..., Program]
Serve: TypeAlias = Callable[..., Running]

SHARE: Final = 0.25


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start servers of the app, by a command in which `{port}` is a free port; those that still run are killed."""
    (tmp_path / "served.py").write_text(APP)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "CAPIBARA_"))}
    running: list[Running] = []

    def begin(*command: str, **env: str) -> Running:
        folder = tmp_path / str(len(running))
        folder.mkdir()
        port = free_port()
        filled = [str(BIN / command[0]), *(part.format(port=port) for part in command[1:])]
        running.append(Running(filled, folder, {**clean, "PYTHONPATH": str(tmp_path), **env}, port))
        return running[-1]

    yield begin
    for each in running:
        each.kill()


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def is_in_share(trace_id: str, share: float) -> bool:
    """Tell whether a trace belongs to a share, as every OpenTelemetry SDK decides."""
    return int(trace_id[16:], 16) < share * 2**64


def arrived(receiver: Receiver) -> dict[str, Counter[str]]:
    """Return the names of the spans that arrived, by trace; without what a slow machine does after a response."""
    traces: dict[str, Counter[str]] = defaultdict(Counter)
    for request in receiver.received["traces"]:
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    if not span.name.startswith("background "):
                        traces[span.trace_id.hex()][span.name] += 1
    return traces


# --- trace_share, trace_slow_routes, trace_dear, trace_buffer


def test_a_share_of_the_traces_is_sent(serve: Serve) -> None:
    """Failed, slow and dear traces arrive, all of each; of the others those of the share; metrics count everything."""
    paths = {"/plain": 300, "/patient": 10, "/spend?calls=1": 20, "/error": 10, "/slow": 10, "/spend?calls=2": 10}
    made: dict[str, list[str]] = {}
    with Receiver() as receiver:
        settings = {
            "CAPIBARA_TRACE_SHARE": str(SHARE),
            "CAPIBARA_TRACE_SLOW": "0.05",
            "CAPIBARA_TRACE_SLOW_ROUTES": "/plain=60,/spend=60,GET /patient=60",
            "CAPIBARA_TRACE_DEAR": "0.12",
            "CAPIBARA_SHUTDOWN_TIMEOUT": "10",
        }
        server = serve(*UVICORN, **receiver.environment, **settings)
        with closing(Client(server, Counter())) as client:
            before = client.page()
            for path, count in paths.items():
                made[path] = [client.ask(path)["trace_id"] for _ in range(count)]
            page = client.page()
        server.end()
        traces = arrived(receiver)

    ordinary = made["/plain"] + made["/patient"] + made["/spend?calls=1"]
    share = {each for each in ordinary if is_in_share(each, SHARE)}
    sent = traces.keys() & {each for ids in made.values() for each in ids}
    assert sent == share.union(made["/error"], made["/slow"], made["/spend?calls=2"]), server.output
    assert 42 <= len(share) <= 122, "five standard deviations around a quarter"
    assert all(
        traces[each] == Counter(("GET /plain", "rag search docs")) for each in share.intersection(made["/plain"])
    )
    assert all(traces[each] == Counter({"GET /spend": 1, "call": 2}) for each in made["/spend?calls=2"])

    assert page.requests - before.requests == sum(paths.values())
    assert page.total("capibara6_rag_searches_total") - before.total("capibara6_rag_searches_total") == paths["/plain"]
    decided = page.by("capibara6_telemetry_traces_decided_total", "capibara6_telemetry_decision")
    of_before = before.by("capibara6_telemetry_traces_decided_total", "capibara6_telemetry_decision")
    assert {name: count - of_before[name] for name, count in decided.items()} == {
        "error": 10,
        "slow": 10,
        "dear": 10,
        "share": len(share),
        "dropped": len(ordinary) - len(share),
    }
    assert page.total("capibara6_telemetry_traces_undecided") == 0


def test_spans_that_wait_have_a_bound(program: Run) -> None:
    """With endless traces no more spans wait than the setting says, and decided early, each trace still arrives whole."""
    source = """
    providers = start(load_settings(trace_share=0.25, trace_buffer=50))
    tracer = trace.get_tracer("t")
    roots, most = [], 0
    for number in range(200):
        roots.append(tracer.start_span(f"root {number}"))
        with trace.use_span(roots[-1]):
            for _ in range(3):
                tracer.start_span(f"child {number}").end()
        page = providers.exposition.render().body.decode()
        (line,) = [each for each in page.splitlines() if each.startswith("capibara6_telemetry_traces_undecided ")]
        most = max(most, float(line.split()[1]))
    for root in roots:
        root.end()
    report(most=most, ids=[f"{each.get_span_context().trace_id:032x}" for each in roots], flushed=providers.force_flush())
    """
    with Receiver() as receiver:
        ended = program(source, {**receiver.environment, "CAPIBARA_SHUTDOWN_TIMEOUT": "10"}).end()
        traces = arrived(receiver)

    assert 0 < ended["most"] <= 50
    assert ended["flushed"]
    assert traces == {
        each: Counter({f"root {number}": 1, f"child {number}": 3})
        for number, each in enumerate(ended["ids"])
        if is_in_share(each, SHARE)
    }


# --- spool_dir

SPOOLED: Final = """
health = (providers := start(load_settings())).health
name = os.environ["RUN"]
tracer, logger = trace.get_tracer("t"), _logs.get_logger("l")
counter = metrics.get_meter("m").create_counter("work")
for number in range(20):
    tracer.start_span(f"{name} {number}").end()
    logger.emit(body=f"{name} {number}")
    counter.add(1)
flushed = providers.force_flush()
report(flushed=flushed, **{
    f"{signal}_{what}": getattr(health, what)(signal)
    for signal in ("traces", "logs", "metrics") for what in ("exported", "spooled", "dropped")
})
"""
WAIT: Final = "time.sleep(60)\n"
EVERYTHING: Final = sorted(f"{name} {number}" for name in ("ended", "killed", "next") for number in range(20))


def spooling(port: int, folder: Path, run: str) -> dict[str, str]:
    """Return the environment of a run that has a spool, and a receiver that may be there."""
    return {
        "RUN": run,
        "CAPIBARA_SPOOL_DIR": str(folder),
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
        "OTEL_METRIC_EXPORT_INTERVAL": "200",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_BLRP_SCHEDULE_DELAY": "50",
    }


def counted(receiver: Receiver) -> dict[str, list[tuple[int, int]]]:
    """Return the arrivals of the counter by process: when it was read, and what it was."""
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for resource, metric in receiver.metrics("work"):
        found[resource["process.pid"]] += [(each.time_unix_nano, each.as_int) for each in metric.sum.data_points]
    return found


def test_what_a_dead_receiver_missed_comes_from_the_next_process(program: Run, tmp_path: Path) -> None:
    """One process ends, another is killed, the receiver is back: the next process brings everything, once."""
    folder, port = tmp_path / "spool", free_port()
    first = program(SPOOLED, spooling(port, folder, "ended"))
    ended = first.end()
    assert ended.code == 0, ended.stderr
    assert (ended["flushed"], ended["traces_spooled"], ended["logs_spooled"]) == (False, 20, 20), ended.stderr
    second = program(SPOOLED + WAIT, spooling(port, folder, "killed"))
    told = second.wait_for_report()
    assert (told["traces_spooled"], told["logs_spooled"]) == (20, 20)
    assert told["traces_dropped"] == told["logs_dropped"] == told["metrics_dropped"] == 0
    assert told["metrics_spooled"] > 0
    assert second.end(signal.SIGKILL).code == -signal.SIGKILL
    assert any(folder.iterdir())

    with Receiver(port=port) as receiver:
        third = program(SPOOLED + WAIT, spooling(port, folder, "next"))
        assert receiver.wait_for(lambda each: len(each.spans) >= 60 and len(each.logs) >= 60, 30)
        wait_for(lambda: not any(folder.iterdir()))
        assert third.end(signal.SIGTERM).code == -signal.SIGTERM
        assert sorted(receiver.spans) == sorted(receiver.logs) == EVERYTHING
        points = counted(receiver)
    assert points.keys() == {str(each.process.pid) for each in (first, second, third)}
    for arrivals in points.values():
        assert max(arrivals)[1] == 20
        assert len(set(arrivals)) == len(arrivals)


def test_the_oldest_leave_a_full_spool(program: Run, tmp_path: Path) -> None:
    """Beyond `spool_limit` the oldest requests go, counted as that; the next process brings the others."""
    source = """
    providers = start(load_settings(spool_limit=5 * 4096))
    for number in range(8):
        trace.get_tracer("t").start_span(f"work {number}").end()
        providers.force_flush()
    health = providers.health
    report(spooled=health.spooled("traces"), full=health.dropped("traces", "spool_full"), all=health.dropped("traces"))
    """
    folder, port = tmp_path / "spool", free_port()
    env = {**spooling(port, folder, "full"), "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    ended = program(source, env).end()
    assert (ended["spooled"], ended["full"], ended["all"]) == (5, 3, 3), ended.stderr

    with Receiver(port=port) as receiver:
        assert program("start(load_settings()).force_flush()", env).end().code == 0
    assert receiver.spans == [f"work {number}" for number in range(3, 8)]


@pytest.mark.parametrize("path", ["a file", "a file/folder"])
@pytest.mark.parametrize("is_well", [True, False], ids=["healthy", "refusing"])
def test_a_folder_that_cannot_be_harms_nobody(program: Run, tmp_path: Path, path: str, is_well: bool) -> None:
    """A spool that cannot be written is said once; what the receiver takes arrives, the rest is dropped and counted."""
    (tmp_path / "a file").write_text("")
    with Receiver(mode="healthy" if is_well else "refuse") as receiver:
        ended = program(SPOOLED, spooling(receiver.port, tmp_path / path, "alone")).end()

    assert ended.code == 0
    assert ended.stderr.count("telemetry cannot wait in") == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    fate = {
        kind: [ended[f"{kind}_{what}"] for what in ("exported", "spooled", "dropped")] for kind in ("traces", "logs")
    }
    assert fate == dict.fromkeys(("traces", "logs"), [20, 0, 0] if is_well else [0, 0, 20]), ended.stderr


# --- merge_workers, workers_dir


WORKERS: Final[dict[str, list[tuple[str, ...]]]] = {
    "uvicorn": [(*UVICORN, "--workers", "2")],
    "gunicorn": [(*GUNICORN, "-w", "2")],
    "uvicorn and a folder": [(*UVICORN, "--workers", "2")],
    "two servers and a folder": [UVICORN, UVICORN],
}


@pytest.mark.parametrize("way", WORKERS)
def test_workers_are_one_page(serve: Serve, tmp_path: Path, way: str) -> None:
    """Whichever worker is asked shows the requests of all, those of a worker that was killed too, and its successor's."""
    env = {"CAPIBARA_WORKERS_DIR": str(tmp_path / "shared")} if "folder" in way else {}
    servers = [serve(*command, **env) for command in WORKERS[way]]
    asked: Counter[int] = Counter()
    with ExitStack() as stack:
        first, second = connect(servers, asked, stack)
        for client, number in ((first, 3), (second, 5)):
            for _ in range(number):
                client.ask("/plain")
        wait_until_all_show([first, second], asked)

        os.kill(first.pid, signal.SIGKILL)
        if len(servers) > 1:
            servers = [serve(*UVICORN, **env), *(each for each in servers if each.process.pid != first.pid)]
        assert second.ask("/plain")["pid"] == second.pid
        wait_until_all_show([second], asked)
        living = connect(servers, asked, stack)
        assert first.pid not in {client.pid for client in living}
        for client in living:
            client.ask("/plain")
        wait_until_all_show([*living, second], asked)
        assert second.page().total("capibara6_rag_searches_total") == asked.total()


def test_a_worker_that_is_not_merged_shows_itself(serve: Serve) -> None:
    """With `merge_workers=false` the page of each worker tells of its own requests, and of its own process."""
    server = serve(*UVICORN, "--workers", "2", CAPIBARA_MERGE_WORKERS="false")
    asked: Counter[int] = Counter()
    with ExitStack() as stack:
        clients = connect([server], asked, stack)
        clients[0].ask("/plain")
        for client in clients:
            page = client.page()
            assert page.requests == asked[client.pid] < asked.total()
            assert page.by("target_info", "process_pid").keys() == {str(client.pid)}


# --- series_limit, views

CONFIGURED: Final = """
import capibara_otel as cap
from capibara_otel.pipeline import Drop, ExplicitBuckets, ExponentialBuckets, Sum, View
"""


@pytest.mark.parametrize("pipeline", ["capibara", "sdk"])
def test_series_beyond_the_limit_are_one(program: Run, pipeline: str) -> None:
    """The first series stay, the rest is one series; the own pipeline names the attribute, once, and counts."""
    source = """
    cap.configure(service_name="limit", series_limit=10, system_interval=0)
    orders = metrics.get_meter("m").create_counter("orders")
    for turn in range(2):
        for number in range(30):
            orders.add(1, {"user": f"u{number}", "kind": "even" if number % 2 == 0 else "odd"})
        cap.metrics()
    report(page=cap.metrics())
    """
    ended = program(CONFIGURED + dedent(source), {"CAPIBARA_PIPELINE": pipeline}).end()
    page = Page.read(ended["page"])

    assert ended.code == 0, ended.stderr
    assert page.by("orders_total", "user") == {**{f"u{number}": 2 for number in range(10)}, "": 40}
    assert page.total("orders_total", otel_metric_overflow="true") == 40
    if pipeline == "capibara":
        assert ended.stderr.count("orders has reached its limit of 10 series") == 1
        assert ended.stderr.count("The attribute with the most values is user") == 1
        name, labels = "capibara6_telemetry_overflow_total", {"capibara6_telemetry_metric": "orders"}
        assert page.total(name, **labels, capibara6_telemetry_attribute="user") == page.total(name) == 40


@pytest.mark.parametrize("pipeline", ["capibara", "sdk"])
def test_views_change_what_instruments_become(program: Run, pipeline: str) -> None:
    """Views handed to `configure` hold on the page and for what is pushed, whichever pipeline it is."""
    source = """
    cap.configure(service_name="views", system_interval=0, views=[
        View(instrument_name="orders", attribute_keys={"kind"}, name="orders.by.kind"),
        View(instrument_name="took", aggregation=ExplicitBuckets((1, 2))),
        View(instrument_name="noise.*", aggregation=Drop()),
        View(instrument_name="sizes", aggregation=Sum(), meter_name="m"),
        View(instrument_name="users", cardinality_limit=3),
        View(instrument_name="capibara6.rag.searches", attribute_keys=set()),
    ])
    meter = metrics.get_meter("m")
    for number in range(8):
        meter.create_counter("orders").add(1, {"user": f"u{number}", "kind": "even" if number % 2 == 0 else "odd"})
        meter.create_counter("users").add(1, {"user": f"u{number}"})
        meter.create_histogram("took").record(number)
        meter.create_counter("noise.a").add(1)
        meter.create_histogram("sizes").record(number)
        with cap.rag.search(index=f"docs-{number}") as search:
            search.found(1)
    report(page=cap.metrics(), flushed=cap.force_flush())
    """
    with Receiver() as receiver:
        ended = program(CONFIGURED + dedent(source), {**receiver.environment, "CAPIBARA_PIPELINE": pipeline}).end()
        pushed = {
            metric.name: metric
            for request in receiver.received["metrics"]
            for resource in request.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }
    page = Page.read(ended["page"])

    assert ended["flushed"], ended.stderr
    assert page.by("orders_by_kind_total", "kind") == {"even": 4, "odd": 4}
    assert page.by("took_bucket", "le") == {"1.0": 2, "2.0": 3, "+Inf": 8}
    assert page.by("users_total", "user") == {"u0": 1, "u1": 1, "u2": 1, "": 5}
    assert page.by("capibara6_rag_searches_total", "rag_index") == {"": 8}
    assert page.total("noise_a_total") == page.total("orders_total") == page.total("sizes_count") == 0
    assert page.total("sizes") == 28
    assert not {"noise.a", "orders"} & pushed.keys()
    assert sorted(each.as_int for each in pushed["orders.by.kind"].sum.data_points) == [4, 4]
    assert [list(each.bucket_counts) for each in pushed["took"].histogram.data_points] == [[2, 1, 5]]
    assert [each.as_int for each in pushed["sizes"].sum.data_points] == [28]
    assert sorted(each.as_int for each in pushed["users"].sum.data_points) == [1, 1, 1, 5]
    assert [each.as_int for each in pushed["capibara6.rag.searches"].sum.data_points] == [8]
