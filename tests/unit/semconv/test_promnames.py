"""What metrics are called in Prometheus, by rule and by the real exporter."""

from __future__ import annotations

from typing import cast

import pytest
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from capibara_otel.registry import load
from capibara_otel.semconv import promnames
from capibara_otel.semconv.instruments import Instruments
from capibara_otel.semconv.specs import Instrument, MetricSpec

_REGISTRY = load()


def _spec(name: str, unit: str, instrument: str) -> MetricSpec:
    buckets = (1.0,) if instrument == "histogram" else ()
    return MetricSpec(name, cast("Instrument", instrument), unit, "A metric.", "x", buckets=buckets)


def _exported(*specs: MetricSpec) -> str:
    """Return the page that the exporter writes when each metric was recorded once, with all its labels."""
    registry = CollectorRegistry()
    reader = PrometheusMetricReader(disable_target_info=True, scope_info_enabled=False, registry=registry)
    provider = MeterProvider([reader], shutdown_on_exit=False)
    instruments = Instruments(provider.get_meter("test"))
    for spec in specs:
        instruments.record(spec, 1, dict.fromkeys(spec.attributes, "x"))
    page = generate_latest(registry).decode()
    provider.shutdown()
    return page


_FIXED = [
    ("capibara6_api_requests_total", "capibara6.api.requests"),
    ("capibara6_api_request_duration_seconds", "capibara6.api.request.duration"),
    ("capibara6_e2b_executions_total", "capibara6.e2b.executions"),
    ("capibara6_rag_search_duration_seconds", "capibara6.rag.search.duration"),
    ("capibara6_cache_hit_rate", "capibara6.cache.hit.rate"),
    ("capibara6_system_cpu_usage_percent", "capibara6.system.cpu.usage"),
    ("capibara6_system_memory_usage_bytes", "capibara6.system.memory.usage"),
]

# As the Collector and Prometheus 3 name them (otlptranslator, default strategy), and the in-process exporter where it differs.
_TABLE = [
    ("capibara6.api.requests", "{request}", "counter", "capibara6_api_requests_total", None),
    ("capibara6.api.request.duration", "s", "histogram", "capibara6_api_request_duration_seconds", None),
    ("capibara6.system.cpu.usage", "%", "gauge", "capibara6_system_cpu_usage_percent", None),
    ("capibara6.system.memory.usage", "By", "gauge", "capibara6_system_memory_usage_bytes", None),
    ("capibara6.system.memory.usage", "By", "updowncounter", "capibara6_system_memory_usage_bytes", None),
    ("capibara6.cache.hit.rate", "{ratio}", "gauge", "capibara6_cache_hit_rate", None),
    ("capibara6.cache.hit.rate", "", "gauge", "capibara6_cache_hit_rate", None),
    ("capibara6.cache.hit.rate", "1", "gauge", "capibara6_cache_hit_rate_ratio", "capibara6_cache_hit_rate"),
    ("capibara6.daily.cost.total.usd", "{USD}", "gauge", "capibara6_daily_cost_total_usd", None),
    ("capibara6.daily.cost.total", "usd", "gauge", "capibara6_daily_cost_total_usd", None),
    ("capibara6.daily.cost.total.usd", "USD", "gauge", "capibara6_daily_cost_total_usd_USD", None),
    ("capibara6.daily.cost.total.usd", "{USD}", "counter", "capibara6_daily_cost_usd_total", "capibara6_daily_cost_total_usd_total"),
    ("capibara6.total.cost", "{USD}", "counter", "capibara6_cost_total", "capibara6_total_cost_total"),
    (
        "capibara6.tokens.per.second", "{token}/s", "gauge",
        "capibara6_tokens_per_second_per_second", "capibara6_tokens_per_second",
    ),
    ("capibara6.cost", "usd", "counter", "capibara6_cost_usd_total", None),
    ("gen_ai.client.token.usage", "{token}", "histogram", "gen_ai_client_token_usage", None),
    ("gen_ai.client.operation.duration", "s", "histogram", "gen_ai_client_operation_duration_seconds", None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "unit", "instrument", "series", "exported"), _TABLE)
def test_the_table_of_names(name: str, unit: str, instrument: str, series: str, exported: str | None) -> None:
    """Known names come out as the Collector makes them; where the in-process exporter differs, it is known to."""
    spec = _spec(name, unit, instrument)
    (family,) = (line.split()[2] for line in _exported(spec).splitlines() if line.startswith("# TYPE"))

    assert promnames.series(spec) == series
    assert family == (exported or series)


@pytest.mark.parametrize(
    ("name", "unit", "instrument", "series"),
    [
        ("a.bytes.read", "By", "counter", "a_bytes_read_total"),
        ("a.seconds", "s", "histogram", "a_seconds"),
        ("a.io", "By/s", "gauge", "a_io_bytes_per_second"),
        ("a.io", "{item}/{batch}", "gauge", "a_io"),
        ("a.io", "m/w", "gauge", "a_io_meters_per_week"),
        ("a.io", "x/fortnight", "gauge", "a_io_x_per_fortnight"),
        ("a.ratio.of.b", "1", "gauge", "a_of_b_ratio"),
        ("a.share", "1", "updowncounter", "a_share"),
        ("a.io", "a b", "gauge", "a_io_a_b"),
        ("a.io", " By / s ", "gauge", "a_io_bytes_per_second"),
        ("a.io", "é/ü", "gauge", "a_io"),
        ("a.io", "item}/s", "gauge", "a_io_per_second"),
        ("5xx.errors", "{error}", "counter", "_5xx_errors_total"),
        ("a..b--c_d", "ms", "gauge", "a_b_c_d_milliseconds"),
        ("a:b", "KiBy", "gauge", "a:b_kibibytes"),
    ],
)
def test_the_rules_of_names(name: str, unit: str, instrument: str, series: str) -> None:
    """Units are added once and in words, `total` and `ratio` go last, what Prometheus does not take is replaced."""
    assert promnames.series(_spec(name, unit, instrument)) == series


_UNITS = {
    "d": "days", "h": "hours", "min": "minutes", "s": "seconds", "ms": "milliseconds", "us": "microseconds",
    "ns": "nanoseconds", "By": "bytes", "KiBy": "kibibytes", "MiBy": "mebibytes", "GiBy": "gibibytes",
    "TiBy": "tibibytes", "KBy": "kilobytes", "MBy": "megabytes", "GBy": "gigabytes", "TBy": "terabytes", "m": "meters",
    "V": "volts", "A": "amperes", "J": "joules", "W": "watts", "g": "grams", "Cel": "celsius", "Hz": "hertz",
    "%": "percent",
}  # fmt: skip
_PER = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year"}


@pytest.mark.parametrize(("unit", "word"), _UNITS.items())
def test_units(unit: str, word: str) -> None:
    """Each unit has its word, and the in-process exporter says the same."""
    spec = _spec("a.b", unit, "gauge")

    assert promnames.series(spec) == f"a_b_{word}"
    assert f"# TYPE a_b_{word} gauge" in _exported(spec)


@pytest.mark.parametrize(("unit", "word"), _PER.items())
def test_units_of_rates(unit: str, word: str) -> None:
    """What stands after the slash has a word of its own, in the singular."""
    spec = _spec("a.b", f"By/{unit}", "gauge")

    assert promnames.series(spec) == f"a_b_bytes_per_{word}"
    assert f"# TYPE a_b_bytes_per_{word} gauge" in _exported(spec)


@pytest.mark.parametrize(
    ("attribute", "label"),
    [("http.route", "http_route"), ("plain", "plain"), ("a-b c", "a_b_c"), ("4xx.class", "key_4xx_class")],
)
def test_labels(attribute: str, label: str) -> None:
    """An attribute's name becomes a label Prometheus takes."""
    assert promnames.label(attribute) == label


def test_samples() -> None:
    """A histogram has three samples, everything else one of its family's name."""
    assert promnames.samples(_spec("a", "s", "histogram")) == ("a_seconds_bucket", "a_seconds_sum", "a_seconds_count")
    assert promnames.samples(_spec("a", "s", "counter")) == ("a_seconds_total",)
    assert promnames.samples(_spec("a", "s", "gauge")) == ("a_seconds",)


@pytest.mark.parametrize(("series", "name"), _FIXED)
def test_fixed_names(series: str, name: str) -> None:
    """Names that existing dashboards and queries use are in the registry and come out exactly."""
    spec = _REGISTRY.metric(name)

    assert spec is not None
    assert promnames.series(spec) == series


def test_every_metric_is_exported_under_its_name() -> None:
    """The in-process exporter shows for every metric of the registry exactly the family, samples, kind and labels computed."""
    page = _exported(*_REGISTRY.metrics)
    types = dict(line.split()[2:] for line in page.splitlines() if line.startswith("# TYPE"))
    kinds = {"counter": "counter", "updowncounter": "gauge", "gauge": "gauge", "histogram": "histogram"}
    samples = {
        sample.name: set(sample.labels) - {"le"}
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }

    assert types == {promnames.series(spec): kinds[spec.instrument] for spec in _REGISTRY.metrics}
    assert samples == {
        sample: {promnames.label(name) for name in spec.attributes}
        for spec in _REGISTRY.metrics
        for sample in promnames.samples(spec)
    }


def test_buckets_and_briefs_reach_the_exporter() -> None:
    """A histogram has the buckets of the registry and every family its brief as help."""
    page = _exported(*_REGISTRY.metrics)
    families = {family.name: family for family in text_string_to_metric_families(page)}

    for spec in _REGISTRY.metrics:
        family = families[promnames.series(spec).removesuffix("_total")]
        bounds = [float(sample.labels["le"]) for sample in family.samples if sample.name.endswith("_bucket")]
        assert family.documentation == spec.brief
        assert bounds == ([*spec.buckets, float("inf")] if spec.buckets else [])
