"""Starting the pipeline in a process of its own: what is set, used, sent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from tests.integration.pipeline.programs import Program
from tests.support.receiver import Protocol, Receiver

Run = Callable[..., Program]


def test_without_environment_nothing_leaves_the_machine(program: Run) -> None:
    """With nothing set no socket is connected, no exporter imported, and the page shows what was measured."""
    source = """
    sys.addaudithook(lambda event, args: event == "socket.connect" and report(connected=str(args)))
    providers = start(load_settings())
    trace.get_tracer("t").start_span("work").end()
    _logs.get_logger("l").emit(body="work")
    metrics.get_meter("m").create_counter("work").add(7)
    flushed = providers.force_flush()
    page = providers.exposition.render().body.decode()
    report(
        flushed=flushed, ended=providers.shutdown(), shown="work_total 7.0" in page,
        exporters=[name for name in sys.modules if ".otlp" in name or name in ("requests", "urllib3", "grpc", "yaml")],
        threads=[thread.name for thread in threading.enumerate() if thread is not threading.main_thread()],
    )
    """
    ended = program(source).end()
    assert ended.reports == [{"flushed": True, "ended": True, "shown": True, "exporters": [], "threads": []}]
    assert ended.stderr == ""


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_all_signals_leave_with_their_resource(program: Run, protocol: Protocol) -> None:
    """With an endpoint all three signals arrive, with the standard attributes and the user's own."""
    source = """
    providers = start(load_settings(service_version="1.2", environment="test", resource_attributes={"team": "blue"}))
    trace.get_tracer("t").start_span("work").end()
    _logs.get_logger("l").emit(body="work")
    metrics.get_meter("m").create_counter("work").add(7)
    report(flushed=providers.force_flush(), pid=os.getpid())
    """
    env = {
        "OTEL_SERVICE_NAME": "mine",
        "OTEL_RESOURCE_ATTRIBUTES": "region=eu%2Dwest,team=red",
        "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=acme",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
    }
    with Receiver(protocol) as receiver:
        ended = program(source, {**receiver.environment, **env}).end()
        resources = [receiver.resources(signal)[0] for signal in ("traces", "metrics", "logs")]

    assert ended["flushed"], ended.stderr
    assert receiver.spans == ["work"]
    assert receiver.logs == ["work"]
    assert {headers["x-tenant"] for headers in receiver.headers} == {"acme"}
    assert resources[0] == resources[1] == resources[2]
    wanted = {
        "service.name": "mine",
        "service.version": "1.2",
        "deployment.environment.name": "test",
        "team": "blue",
        "region": "eu-west",
        "process.pid": str(ended["pid"]),
        "telemetry.sdk.language": "python",
        "telemetry.distro.name": "capibara-otel",
    }
    assert wanted.items() <= resources[0].items()
    assert {"service.instance.id", "host.name", "process.runtime.name", "process.runtime.version"} <= set(resources[0])


def test_each_signal_may_go_elsewhere_or_nowhere(program: Run) -> None:
    """Endpoints, protocols and exporters are read per signal: traces here, metrics there, logs nowhere."""
    source = """
    providers = start(load_settings())
    trace.get_tracer("t").start_span("work").end()
    _logs.get_logger("l").emit(body="work")
    metrics.get_meter("m").create_counter("work").add(7)
    report(flushed=providers.force_flush())
    """
    with Receiver() as http, Receiver("grpc") as grpc:
        env = {
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{http.endpoint}/v1/traces",
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": grpc.endpoint,
            "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc",
            "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": f"{http.endpoint}/v1/logs",
            "OTEL_LOGS_EXPORTER": "none",
        }
        ended = program(source, env).end()
        counted = list(grpc.metrics("work"))

    assert ended["flushed"], ended.stderr
    assert http.spans == ["work"]
    assert http.logs == []
    assert grpc.spans == []
    assert counted


def test_the_console_exporters_work(program: Run) -> None:
    """`console` prints every signal, beside any other exporter."""
    source = """
    providers = start(load_settings())
    trace.get_tracer("t").start_span("work-span").end()
    _logs.get_logger("l").emit(body="work-log")
    metrics.get_meter("m").create_counter("work-counter").add(7)
    sys.stdout = sys.__stdout__
    providers.shutdown()
    sys.stdout.flush()
    os._exit(0)
    """
    names = ("TRACES", "METRICS", "LOGS")
    with Receiver() as receiver:
        env = {**receiver.environment, **{f"OTEL_{name}_EXPORTER": "otlp,console" for name in names}}
        stdout, stderr = program(source, env).process.communicate(timeout=60)

    assert stderr == ""
    for printed in ("work-span", "work-log", "work-counter"):
        assert stdout.count(printed) == 1
    assert receiver.spans == ["work-span"]


APPS_OWN = """
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

spans, records, reader = InMemorySpanExporter(), InMemoryLogRecordExporter(), InMemoryMetricReader()
own_spans, own_records, own_reader = InMemorySpanExporter(), InMemoryLogRecordExporter(), InMemoryMetricReader()
app_reader = InMemoryMetricReader()

def set_tracer():
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    trace.set_tracer_provider(provider)
    return provider

def set_logger():
    provider = LoggerProvider()
    provider.add_log_record_processor(SimpleLogRecordProcessor(records))
    _logs.set_logger_provider(provider)
    return provider

def set_meter():
    provider = MeterProvider([app_reader])
    metrics.set_meter_provider(provider)
    return provider

def begin():
    return start(
        load_settings(),
        span_processors=[SimpleSpanProcessor(own_spans)],
        log_processors=[SimpleLogRecordProcessor(own_records)],
        metric_readers=[own_reader],
    )

def work():
    trace.get_tracer("t").start_span("work").end()
    _logs.get_logger("l").emit(body="work")
    metrics.get_meter("m").create_counter("work").add(7)

def names(reader):
    data = reader.get_metrics_data()
    return [m.name for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics] if data else []
"""


def test_an_apps_own_providers_are_used_and_added_to(program: Run) -> None:
    """Providers that are set stay: ours are added to, no exporter sends a second time, and they outlive our shutdown."""
    source = """
    app = [set_tracer(), set_meter(), set_logger()]
    providers = begin()
    work()
    used = [providers.tracer_provider, providers.meter_provider, providers.logger_provider]
    page = providers.exposition.render().body.decode()
    before = [len(spans.get_finished_spans()), len(own_spans.get_finished_spans()),
              len(records.get_finished_logs()), len(own_records.get_finished_logs()),
              "work" in names(app_reader), "work" in names(own_reader), "work_total 7.0" in page]
    ended = providers.shutdown()
    work()
    report(same=[a is b for a, b in zip(app, used)], before=before, ended=ended,
           after=[len(spans.get_finished_spans()), len(records.get_finished_logs())],
           is_global=trace.get_tracer_provider() is app[0])
    """
    with Receiver() as receiver:
        ended = program(APPS_OWN + dedent(source), receiver.environment).end()

    assert ended["same"] == [True, True, True]
    assert ended["before"] == [1, 1, 1, 1, True, True, True]
    assert ended["ended"]
    assert ended["after"] == [2, 2]
    assert ended["is_global"]
    assert receiver.attempts == 0


@pytest.mark.parametrize("theirs", ["tracer", "meter", "logger"])
def test_each_provider_is_theirs_or_ours_on_its_own(program: Run, theirs: str) -> None:
    """An app that has set one provider keeps it and gets the other two from us, which export."""
    source = f"""
    app = set_{theirs}()
    providers = begin()
    ours = dict(tracer=providers.tracer_provider, meter=providers.meter_provider, logger=providers.logger_provider)
    current = dict(tracer=trace.get_tracer_provider(), meter=metrics.get_meter_provider(),
                   logger=_logs.get_logger_provider())
    work()
    report(kept=ours.pop("{theirs}") is app, set=all(current[name] is each for name, each in ours.items()),
           flushed=providers.force_flush())
    """
    with Receiver() as receiver:
        ended = program(APPS_OWN + dedent(source), receiver.environment).end()
        sent = {"tracer": receiver.spans, "logger": receiver.logs, "meter": list(receiver.metrics("work"))}

    assert ended["kept"]
    assert ended["set"]
    assert ended["flushed"], ended.stderr
    assert not sent.pop(theirs)
    assert all(sent.values())


def test_providers_that_are_no_sdk_are_left_alone(program: Run) -> None:
    """An app that has switched telemetry off by providers of the API keeps them; nothing fails, the page is empty."""
    source = """
    trace.set_tracer_provider(trace.NoOpTracerProvider())
    metrics.set_meter_provider(metrics.NoOpMeterProvider())
    _logs.set_logger_provider(_logs.NoOpLoggerProvider())
    providers = begin()
    work()
    report(flushed=providers.force_flush(), page=providers.exposition.render().body.decode(),
           kept=isinstance(providers.tracer_provider, trace.NoOpTracerProvider), ended=providers.shutdown())
    """
    ended = program("import warnings; warnings.simplefilter('ignore')\n" + APPS_OWN + dedent(source)).end()
    assert ended.reports == [{"flushed": True, "page": "", "kept": True, "ended": True}], ended.stderr
    assert ended.stderr == ""


def test_a_disabled_sdk_stays_disabled(program: Run) -> None:
    """`OTEL_SDK_DISABLED=true` makes every call a no-op: nothing is sent, no port is opened, nothing fails."""
    source = """
    providers = start(load_settings(metrics_port=0))
    with trace.get_tracer("t").start_as_current_span("work") as span:
        recording = span.is_recording()
    _logs.get_logger("l").emit(body="work")
    metrics.get_meter("m").create_counter("work").add(7)
    page = providers.exposition.render().body.decode()
    report(recording=recording, flushed=providers.force_flush(), counted="work" in page,
           endpoint=providers.endpoint is None)
    """
    with Receiver() as receiver:
        ended = program(source, {**receiver.environment, "OTEL_SDK_DISABLED": "true"}).end()

    assert ended.reports == [{"recording": False, "flushed": True, "counted": False, "endpoint": True}]
    assert receiver.attempts == 0


def test_a_file_of_the_sdk_that_is_not_read_is_said(program: Run, tmp_path: Path) -> None:
    """Who counts on `OTEL_CONFIG_FILE` learns that it does not hold here, unless its providers are set already."""
    file = tmp_path / "otel.yaml"
    file.write_text("file_format: '1.0'\n")
    env = {"OTEL_CONFIG_FILE": str(file)}
    ended = program("start(load_settings())", env).end()
    assert ended.stderr == (
        "OTEL_CONFIG_FILE is not read here; what it says does not hold for capibara_otel's providers\n"
    )
    assert program(APPS_OWN + "set_tracer(); set_meter(); set_logger(); begin()", env).end().stderr == ""


def test_what_the_sdk_reads_keeps_working(program: Run) -> None:
    """Samplers, limits, propagators, temporality, aggregation and intervals are what `OTEL_*` says."""
    source = """
    from opentelemetry import propagate
    providers = start(load_settings())
    tracer = trace.get_tracer("t")
    for number in range(200):
        tracer.start_span("sampled", attributes={"a": 1, "b": "xyz" * 10, "c": 2}).end()
    counter, histogram = metrics.get_meter("m").create_counter("work"), metrics.get_meter("m").create_histogram("time")
    counter.add(7)
    histogram.record(3)
    time.sleep(0.5)
    counter.add(1)
    histogram.record(3)
    report(fields=sorted(propagate.get_global_textmap().fields), page="time" in
           providers.exposition.render().body.decode(), sampled=providers.shutdown())
    """
    env = {
        "OTEL_TRACES_SAMPLER": "traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "0.5",
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "2",
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "5",
        "OTEL_PROPAGATORS": "tracecontext",
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta",
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": "base2_exponential_bucket_histogram",
        "OTEL_METRIC_EXPORT_INTERVAL": "100",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_METRICS_EXEMPLAR_FILTER": "",
    }
    with Receiver() as receiver:
        ended = program(source, {**receiver.environment, **env}).end()
        counted = [point.sum.data_points[0].as_int for _, point in receiver.metrics("work")]
        kinds = {metric.WhichOneof("data") for _, metric in receiver.metrics("time")}
        spans = [
            span
            for request in receiver.received["traces"]
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    assert ended["fields"] == ["traceparent", "tracestate"]
    assert 50 < len(spans) < 150
    assert all(len(span.attributes) == 2 for span in spans)
    assert spans[0].attributes[0].value.string_value == "xyzxy"
    assert counted == [7, 1]
    assert kinds == {"exponential_histogram"}
    assert ended["page"]


def test_plugins_of_samplers_and_ids_are_loaded(program: Run, plugins: str) -> None:
    """A sampler, an id generator and an exporter that are installed as plugins are used when `OTEL_*` names them."""
    source = """
    providers = start(load_settings())
    span = trace.get_tracer("t").start_span("work")
    span.end()
    report(trace=span.get_span_context().trace_id, sampler=providers.tracer_provider.sampler.get_description(),
           flushed=providers.force_flush())
    """
    env = {
        "PYTHONPATH": plugins,
        "OTEL_TRACES_SAMPLER": "mine",
        "OTEL_TRACES_SAMPLER_ARG": "anything",
        "OTEL_PYTHON_ID_GENERATOR": "mine",
        "OTEL_TRACES_EXPORTER": "mine",
    }
    ended = program(source, env).end()
    assert ended["trace"] == 42, ended.stderr
    assert ended["sampler"] == "mine anything"
    assert ended["flushed"]
    assert "exported work" in ended.stderr


@pytest.fixture
def plugins(tmp_path: Path) -> str:
    """A distribution that offers plugins."""
    (tmp_path / "mine.py").write_text(
        dedent("""
        import sys
        from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON, StaticSampler

        class Ids(RandomIdGenerator):
            def generate_trace_id(self):
                return 42

        class Sampler(type(ALWAYS_ON)):
            def __init__(self, argument):
                self._decision = ALWAYS_ON._decision
                self.argument = argument
            def get_description(self):
                return f"mine {self.argument}"

        class Exporter(SpanExporter):
            def export(self, spans):
                sys.stderr.write(f"exported {spans[0].name}")
                return SpanExportResult.SUCCESS
        """)
    )
    info = tmp_path / "mine-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1\n")
    groups = {
        "opentelemetry_traces_sampler": "Sampler",
        "opentelemetry_id_generator": "Ids",
        "opentelemetry_traces_exporter": "Exporter",
    }
    (info / "entry_points.txt").write_text(
        "".join(f"[{group}]\nmine = mine:{name}\n" for group, name in groups.items())
    )
    return str(tmp_path)


def test_the_prometheus_exporter_of_the_environment_is_our_page(program: Run) -> None:
    """`OTEL_METRICS_EXPORTER=prometheus` serves the page where the SDK's variables say, also when the app serves none."""
    source = """
    import urllib.request
    providers = start(load_settings())
    metrics.get_meter("m").create_counter("work").add(7)
    page = urllib.request.urlopen(f"http://127.0.0.1:{providers.endpoint.port}/metrics").read().decode()
    report(shown="work_total 7.0" in page)
    """
    env = {
        "CAPIBARA_METRICS_PATH": "",
        "OTEL_METRICS_EXPORTER": "prometheus",
        "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1",
        "OTEL_EXPORTER_PROMETHEUS_PORT": "0",
    }
    assert program(source, env).end()["shown"]


def test_without_the_extra_grpc_says_how_to_get_it(program: Run) -> None:
    """Asking for gRPC where it is not installed is one clear error with the line that installs it."""
    source = """
    import importlib.util
    found = importlib.util.find_spec
    hidden = ("grpc", "opentelemetry.exporter.otlp.proto.grpc")
    importlib.util.find_spec = lambda name, *rest: None if name in hidden else found(name, *rest)
    from capibara_otel.exceptions import MissingExtraError
    try:
        start(load_settings())
    except MissingExtraError as fault:
        report(fault=str(fault), threads=threading.active_count())
    """
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    ended = program(source, env).end()
    assert ended.reports == [
        {
            "fault": "OTLP over gRPC (OTEL_EXPORTER_OTLP_PROTOCOL=grpc) needs an optional dependency: "
            "pip install 'capibara-otel[grpc]'",
            "threads": 1,
        }
    ]
