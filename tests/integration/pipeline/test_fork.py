"""A forked child starts from zero."""

from __future__ import annotations

import signal
from collections.abc import Callable
from textwrap import dedent

import pytest

from tests.integration.pipeline.programs import Program
from tests.support.receiver import Protocol, Receiver

Run = Callable[..., Program]

ALONE = {"CAPIBARA_MERGE_WORKERS": "false"}
"""Each process shows itself on its page."""

PROTOCOLS: tuple[Protocol, ...] = ("http/protobuf", "grpc")

# The child leaves by os._exit as pre-forking servers' children may, after a shutdown of its own.
FORK = """
def fork(child):
    pid = os.fork()
    if pid == 0:
        try:
            child()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    return pid
"""


def test_measurements_of_the_parent_are_not_the_childs(program: Run) -> None:
    """A counter that stood at 10 when the process forked stands at 1 in the child after it has added 1."""
    source = """
    providers = start(load_settings())
    counter = metrics.get_meter("m").create_counter("work")
    histogram = metrics.get_meter("m").create_histogram("time")
    counter.add(10)
    histogram.record(3)

    def child():
        before = providers.exposition.render().body.decode()
        counter.add(1)
        after = providers.exposition.render().body.decode()
        report(before="work_total" in before, after="work_total 1.0" in after, time="time_count" in after)

    fork(child)
    report(parent="work_total 10.0" in providers.exposition.render().body.decode())
    """
    ended = program(FORK + dedent(source), ALONE).end()

    assert ended.reports == [{"before": False, "after": True, "time": False}, {"parent": True}], ended.stderr


def test_the_child_is_an_instance_of_its_own(program: Run) -> None:
    """All three signals and the metrics page carry the child's own instance id and process id, never the parent's."""
    source = """
    providers = start(load_settings())
    signals = (providers.tracer_provider, providers.logger_provider)

    def instances():
        page = providers.exposition.render().body.decode()
        target = next(line for line in page.splitlines() if line.startswith("target_info{"))
        labels = dict(part.split("=", 1) for part in target[12:].split("} ")[0].split(",") if "=" in part)
        return {
            "ids": [providers.resource.attributes["service.instance.id"]]
                   + [each.resource.attributes["service.instance.id"] for each in signals]
                   + [labels["service_instance_id"].strip('"')],
            "pids": [each.resource.attributes["process.pid"] for each in signals]
                    + [int(labels["process_pid"].strip('"'))],
            "pid": os.getpid(),
        }

    metrics.get_meter("m").create_counter("work").add(1)
    parent = instances()

    def child():
        metrics.get_meter("m").create_counter("work").add(1)
        report(child=instances())

    fork(child)
    report(parent=parent, parent_after=instances())
    """
    ended = program(FORK + dedent(source), ALONE).end()

    child, parent = ended["child"], ended["parent"]
    assert len(set(child["ids"])) == len(set(parent["ids"])) == 1
    assert child["ids"] != parent["ids"]
    assert set(child["pids"]) == {child["pid"]}
    assert set(parent["pids"]) == {parent["pid"]} != set(child["pids"])
    assert ended["parent_after"] == parent


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_child_sends_what_is_its_own_and_nothing_twice(program: Run, protocol: Protocol) -> None:
    """What waits when the process forks is sent once, by the parent; the child sends its own, through its own threads."""
    source = """
    providers = start(load_settings(service_name="fork"))
    tracer, logger = trace.get_tracer("t"), _logs.get_logger("l")
    counter = metrics.get_meter("m").create_counter("work")
    tracer.start_span("parent").end()
    logger.emit(body="parent")
    counter.add(10)

    def child():
        tracer.start_span("child").end()
        logger.emit(body="child")
        counter.add(1)
        sent = providers.shutdown()
        health = providers.health
        report(sent=sent, counts=[health.exported("traces"), health.exported("logs")])

    fork(child)
    report(parent=providers.force_flush())
    """
    with Receiver(protocol) as receiver:
        ended = program(FORK + dedent(source), receiver.environment).end()
        counted = sorted(point.sum.data_points[0].as_int for _, point in receiver.metrics("work"))
        instances = {each["service.instance.id"] for each in receiver.resources("metrics")}

    assert ended["sent"], ended.stderr
    assert ended["counts"] == [1, 1]
    assert ended["parent"]
    assert sorted(receiver.spans) == ["child", "parent"]
    assert sorted(receiver.logs) == ["child", "parent"]
    assert set(counted) == {1, 10}
    assert len(instances) == 2


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_child_of_a_process_that_has_sent_already_has_its_own_connection(program: Run, protocol: Protocol) -> None:
    """A connection that is open when the process forks stays the parent's; both go on sending."""
    source = """
    providers = start(load_settings(service_name="fork"))
    tracer = trace.get_tracer("t")
    tracer.start_span("before").end()
    providers.force_flush()

    def child():
        for number in range(20):
            tracer.start_span(f"child").end()
            providers.force_flush()
        report(sent=providers.shutdown())

    pid = os.fork()
    if pid == 0:
        child()
        os._exit(0)
    for number in range(20):
        tracer.start_span("parent").end()
        providers.force_flush()
    os.waitpid(pid, 0)
    """
    with Receiver(protocol) as receiver:
        ended = program(source, receiver.environment).end()

    assert ended["sent"], ended.stderr
    assert sorted(receiver.spans) == ["before"] + ["child"] * 20 + ["parent"] * 20


def test_a_child_of_a_process_that_sends_right_now_does_not_hang(program: Run) -> None:
    """Locks held by the parent's threads at the fork are not held in the child, which sends and ends in time."""
    source = """
    providers = start(load_settings(service_name="fork"))
    tracer, logger = trace.get_tracer("t"), _logs.get_logger("l")
    stop = threading.Event()

    def work():
        while not stop.is_set():
            tracer.start_span("work").end()
            logger.emit(body="work")
            metrics.get_meter("m").create_counter("work").add(1)
            providers.exposition.render()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(10):
        pid = os.fork()
        if pid == 0:
            signal.alarm(20)
            tracer.start_span("child").end()
            metrics.get_meter("m").create_counter("work").add(1)
            page = providers.exposition.render()
            sent = providers.shutdown()
            os._exit(0 if sent and b"work_total 1.0" in page.body else 5)
        _, status = os.waitpid(pid, 0)
        report(status=status)
    stop.set()
    for thread in threads:
        thread.join()
    """
    with Receiver() as receiver:
        ended = program(source, {**receiver.environment, **ALONE}).end()

    assert [each["status"] for each in ended.reports] == [0] * 10, ended.stderr
    assert receiver.spans.count("child") == 10


def test_a_child_forked_in_the_midst_of_a_scrape_can_be_scraped(program: Run) -> None:
    """The SDK's locks that a thread of the parent holds while it collects are not held in the child."""
    source = """
    from opentelemetry.metrics import Observation
    providers = start(load_settings())
    parent, collecting, may_go = os.getpid(), threading.Event(), threading.Event()

    def observe(options):
        if os.getpid() == parent:
            collecting.set()
            may_go.wait()
        return [Observation(os.getpid())]

    metrics.get_meter("m").create_observable_gauge("process", [observe])
    scrape = threading.Thread(target=providers.exposition.render)
    scrape.start()
    collecting.wait()

    def child():
        signal.alarm(20)
        report(page=f"process {float(os.getpid())}" in providers.exposition.render().body.decode())

    fork(child)
    may_go.set()
    scrape.join()
    """
    assert program(FORK + dedent(source)).end()["page"]


def test_sigterm_flushes_a_child_too(program: Run) -> None:
    """A child handles SIGTERM as its parent does: what it recorded arrives, and it ends by the signal."""
    source = """
    providers = start(load_settings(service_name="fork"))
    pid = os.fork()
    if pid == 0:
        trace.get_tracer("t").start_span("child").end()
        report(ready=True)
        time.sleep(60)
    _, status = os.waitpid(pid, 0)
    report(child=os.waitstatus_to_exitcode(status))
    """
    with Receiver() as receiver:
        running = program(source + "\n", receiver.environment)
        running.wait_for_report()
        child = running.children()[0]
        child.send_signal(signal.SIGTERM)
        ended = running.end()

    assert ended["child"] == -signal.SIGTERM
    assert receiver.spans == ["child"]


def test_a_child_of_multiprocessing_loses_nothing(program: Run) -> None:
    """Such children run no exit hooks: what they recorded arrives all the same, without anybody flushing."""
    source = """
    import multiprocessing
    start(load_settings(service_name="fork"))
    def work(name):
        trace.get_tracer("t").start_span(name).end()
        metrics.get_meter("m").create_counter("work").add(1)
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=work, args=(f"child {number}",)) for number in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    report(codes=[child.exitcode for child in children])
    """
    with Receiver() as receiver:
        ended = program(source, receiver.environment).end()

    assert ended["codes"] == [0, 0, 0], ended.stderr
    assert sorted(receiver.spans) == ["child 0", "child 1", "child 2"]


def test_the_page_on_a_port_stays_the_parents(program: Run) -> None:
    """A child leaves the parent's port to the parent; where the port was picked, it picks one of its own."""
    source = """
    import socket, urllib.request
    providers = start(load_settings(metrics_port=0))
    port = providers.endpoint.port

    def read(port):
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()

    def child():
        own = providers.endpoint.port
        report(differs=own != port, own=f'process_pid="{os.getpid()}"' in read(own),
               parents=f'process_pid="{os.getppid()}"' in read(port))

    metrics.get_meter("m").create_counter("work").add(1)
    fork(child)
    fork(lambda: (providers.shutdown(), report(closed=providers.endpoint.port)))
    report(still=f'process_pid="{os.getpid()}"' in read(port))
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
    providers.endpoint.close()
    until = time.monotonic() + 10  # the child lets go of it on its own time
    while not (released := socket.socket().connect_ex(("127.0.0.1", port)) != 0) and time.monotonic() < until:
        time.sleep(0.01)
    report(released=released)
    os.kill(pid, signal.SIGKILL)
    """
    ended = program(FORK + dedent(source), ALONE).end()
    assert ended.reports == [
        {"differs": True, "own": True, "parents": True},
        {"closed": None},
        {"still": True},
        {"released": True},
    ], ended.stderr


def test_an_sdk_that_changed_inside_is_left_alone_and_that_is_said(program: Run) -> None:
    """Clearing the parent's measurements needs the SDK's private names: when they change, this test fails first."""
    source = """
    import logging
    from capibara_otel.pipeline.official.fork import clear_metrics, set_resource
    providers = start(load_settings())
    reader = providers.exposition.reader
    provider = providers.meter_provider
    report(names=[
        hasattr(provider, "_measurement_consumer"),
        hasattr(provider._measurement_consumer, "_lock"),
        hasattr(provider._measurement_consumer._reader_storages[reader], "_lock"),
        hasattr(provider._measurement_consumer._reader_storages[reader], "_instrument_view_instrument_matches"),
        all(hasattr(each, "_instrument_registration_lock") for each in provider._meters.values()),
        hasattr(reader._collector, "_metrics_datas"),
        *(hasattr(each, "_update_resource")
          for each in (provider, providers.tracer_provider, providers.logger_provider)),
    ])
    report(cleared=clear_metrics(provider, [reader]), other=clear_metrics(object(), [reader]),
           told=set_resource(provider, providers.resource), not_told=set_resource(object(), providers.resource))
    """
    ended = program(source, {"CAPIBARA_PIPELINE": "sdk"}).end()
    assert ended["names"] == [True] * 9
    assert ended.reports[1:] == [{"cleared": True, "other": False, "told": True, "not_told": False}]
    assert "this OpenTelemetry SDK is not the pinned one" in ended.stderr
