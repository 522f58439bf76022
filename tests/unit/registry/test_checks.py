"""Every finding: its id, its place and its message, from a registry with exactly that fault."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from textwrap import dedent

import pytest

from capibara_otel.registry import Finding, check, checks, load

_SOUND = """\
version: "2"
attributes:
  - {key: capibara6.x.kind, type: string, brief: A kind., annotations: {capibara: {cardinality: bounded}}}
  - {key: user.id, type: string, brief: The user., annotations: {capibara: {cardinality: unbounded}}}
metrics:
  - {name: capibara6.x.calls, instrument: counter, unit: "{call}", brief: Calls., attributes: [{ref: capibara6.x.kind}], annotations: {capibara: {subsystem: x}}}
  - {name: capibara6.x.duration, instrument: histogram, unit: s, brief: Time., annotations: {capibara: {subsystem: x, buckets: [0, 1]}}}
spans:
  - {type: capibara6.x.call, kind: client, name: {note: "x call {capibara6.x.kind}"}, brief: A call., attributes: [{ref: capibara6.x.kind}, {ref: user.id}], annotations: {capibara: {subsystem: x, target: capibara6.x.kind, count: capibara6.x.calls, duration: capibara6.x.duration}}}
"""

_METRIC = "instrument: {instrument}, unit: {unit}, brief: More., annotations: {{capibara: {{subsystem: x{more}}}}}"


def _metric(name: str, instrument: str = "counter", unit: str = '"{call}"', more: str = "") -> str:
    return f"metrics:\n  - {{name: {name}, {_METRIC.format(instrument=instrument, unit=unit, more=more)}}}"


_CASES: dict[str, tuple[str, list[tuple[str, str]]]] = {
    # The id, a file beside the sound one, and for each finding its line and its message.
    "brief_required": (
        """\
        attributes:
          - {key: capibara6.y.a, type: string, brief: }
        metrics:
          - {name: capibara6.y.b, instrument: counter, unit: "{x}", annotations: {capibara: {subsystem: y}}}
        spans:
          - {type: capibara6.y.c, kind: server, name: {note: y}, brief: "  "}
        """,
        [
            ("3", "capibara6.y.a has no brief; say in a sentence what it is"),
            ("5", "capibara6.y.b has no brief; say in a sentence what it is"),
            ("7", "capibara6.y.c has no brief; say in a sentence what it is"),
        ],
    ),
    "brief_sentence": (
        "attributes:\n  - {key: capibara6.y.a, type: string, brief: A word}",
        [("3", "the brief of capibara6.y.a must end with a full stop")],
    ),
    "name_form": (
        """\
        attributes:
          - {key: capibara6.Upper, type: string, brief: A.}
          - {key: capibara6..double, type: string, brief: A.}
          - {key: capibara6.x-y, type: string, brief: A.}
        """,
        [
            ("3", "'capibara6.Upper' must be lower case words joined by . or _"),
            ("4", "'capibara6..double' must be lower case words joined by . or _"),
            ("5", "'capibara6.x-y' must be lower case words joined by . or _"),
        ],
    ),
    "name_twice": (
        """\
        attributes:
          - {key: capibara6.x.kind, type: string, brief: Again.}
          - {key: capibara6.x.call, type: string, brief: Called as a span is.}
        metrics:
          - {name: capibara6.x.kind, instrument: counter, unit: "{x}", brief: As an attribute., annotations: {capibara: {subsystem: y}}}
        spans:
          - {type: capibara6.x.call, kind: server, name: {note: y}, brief: Again.}
          - {type: capibara6.x.kind, kind: server, name: {note: y}, brief: Called as an attribute is.}
          - {type: capibara6.x.call, kind: server, name: {note: y}, brief: And again.}
        """,
        [
            ("10", "span capibara6.x.call is declared 3 times: a.yaml:9, b.yaml:8, b.yaml:10"),
            ("3", "attribute capibara6.x.kind is declared 2 times: a.yaml:3, b.yaml:3"),
        ],
    ),
    "undefined_ref": (
        """\
        metrics:
          - {name: capibara6.y.b, instrument: counter, unit: "{x}", brief: B., attributes: [{ref: no.such}], annotations: {capibara: {subsystem: y}}}
        spans:
          - {type: capibara6.y.c, kind: server, name: {note: y}, brief: C., attributes: [{ref: nor.this}, {ref: user.id}]}
        """,
        [
            ("3", "capibara6.y.b refers to no.such, which is declared nowhere"),
            ("5", "capibara6.y.c refers to nor.this, which is declared nowhere"),
        ],
    ),
    "ref_twice": (
        "spans:\n  - {type: capibara6.y.c, kind: server, name: {note: y}, brief: C., attributes: [{ref: user.id}, {ref: user.id}]}",
        [("3", "capibara6.y.c refers to user.id 2 times")],
    ),
    "undefined_metric": (
        "spans:\n  - {type: capibara6.y.c, kind: server, name: {note: y}, brief: C., annotations: {capibara: {duration: no.such}}}",
        [("3", "capibara6.y.c asks for the metric no.such, which is declared nowhere")],
    ),
    "undefined_target": (
        "spans:\n  - {type: capibara6.y.c, kind: server, name: {note: y}, brief: C., annotations: {capibara: {target: user.id}}}",
        [("3", "capibara6.y.c is named after user.id, which it does not carry")],
    ),
    "unit_not_ucum": (
        _metric("capibara6.y.a", unit="seconds"),
        [("3", "capibara6.y.a has unit 'seconds'; use a UCUM unit such as s, By, %, 1 or {request}")],
    ),
    "gauge_unit_one": (
        _metric("capibara6.y.a", "gauge", '"1"'),
        [
            (
                "3",
                ("capibara6.y.a is a gauge with unit 1, which Prometheus calls …_ratio and the in-process endpoint does "
                "not; use {ratio}"),
            )
        ],
    ),
    "counter_named_total": (
        _metric("capibara6.y.total"),
        [("3", "capibara6.y.total is a counter; Prometheus adds _total, leave it out")],
    ),
    "inner_total": (
        _metric("capibara6.total.y", "updowncounter"),
        [("3", "capibara6.total.y has the word total inside, which Prometheus moves or drops; name it otherwise")],
    ),
    "rate_unit": (
        _metric("capibara6.y.a", "gauge", "By/s"),
        [("3", "capibara6.y.a has a rate as its unit; record the amount, Prometheus makes the rate")],
    ),
    "name_prefix": (
        _metric("http.calls"),
        [("3", "http.calls must start with capibara6. or gen_ai.")],
    ),
    "subsystem_required": (
        'metrics:\n  - {name: capibara6.y.a, instrument: counter, unit: "{x}", brief: A.}',
        [("3", "capibara6.y.a names no subsystem that emits it")],
    ),
    "processes_useless": (
        _metric("capibara6.y.a", more=", processes: sum"),
        [("3", "capibara6.y.a is no gauge; only a gauge needs a rule for processes")],
    ),
    "buckets_required": (
        _metric("capibara6.y.a", "histogram", "s"),
        [("3", "capibara6.y.a is a histogram without buckets; the default ones start at 5 s")],
    ),
    "buckets_useless": (
        _metric("capibara6.y.a", more=", buckets: [1]"),
        [("3", "capibara6.y.a is no histogram, its buckets mean nothing")],
    ),
    "buckets_order": (
        _metric("capibara6.y.a", "histogram", "s", ", buckets: [1, 2, 2]"),
        [("3", "the buckets of capibara6.y.a must rise")],
    ),
    "buckets_negative": (
        _metric("capibara6.y.a", "histogram", "s", ", buckets: [-1, 0]"),
        [("3", "capibara6.y.a has a negative bucket; Prometheus then knows no sum and no count")],
    ),
    "unbounded_label": (
        'metrics:\n  - {name: capibara6.y.a, instrument: counter, unit: "{x}", brief: A., attributes: [{ref: user.id}], annotations: {capibara: {subsystem: y}}}',
        [("3", "capibara6.y.a carries user.id, which is unbounded; ids belong on spans and logs")],
    ),
    "label_collision": (
        """\
        attributes:
          - {key: capibara6.x_kind, type: string, brief: Collides., annotations: {capibara: {cardinality: bounded}}}
        metrics:
          - {name: capibara6.y.a, instrument: counter, unit: "{x}", brief: A., attributes: [{ref: capibara6.x_kind}, {ref: capibara6.x.kind}], annotations: {capibara: {subsystem: y}}}
        """,
        [("5", "capibara6.y.a has 2 attributes that become the label capibara6_x_kind")],
    ),
    "name_collision": (
        _metric("capibara6.x_calls"),
        [("3", "capibara6.x_calls and capibara6.x.calls (a.yaml:6) are both capibara6_x_calls_total in Prometheus")],
    ),
}  # fmt: skip


def _findings(folder: Path, more: str = "") -> list[Finding]:
    (folder / "a.yaml").write_text(_SOUND, encoding="utf-8")
    if more:
        (folder / "b.yaml").write_text('version: "2"\n' + dedent(more), encoding="utf-8")
    return check(load(folder))


def test_a_sound_registry_has_no_findings(tmp_path: Path) -> None:
    """The file that the other tests add to is sound by itself."""
    assert _findings(tmp_path) == []


@pytest.mark.parametrize("name", _CASES)
def test_finding(name: str, tmp_path: Path) -> None:
    """Each fault gives its own finding, at its own line, with what to do, and no other finding."""
    more, expected = _CASES[name]

    assert _findings(tmp_path, more) == [Finding(f"b.yaml:{line}", name, message) for line, message in expected]


def test_every_finding_has_its_test() -> None:
    """A new check is noticed here until it has a case above."""
    ids = {
        node.args[1].value
        for node in ast.walk(ast.parse(inspect.getsource(checks)))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Finding"
        and isinstance(node.args[1], ast.Constant)
    }

    assert ids == set(_CASES)


@pytest.mark.parametrize(
    ("name", "instrument", "sample"),
    [
        ("capibara6.x.duration.seconds.count", "gauge", "capibara6_x_duration_seconds_count"),
        ("capibara6.x.duration.seconds.sum", "gauge", "capibara6_x_duration_seconds_sum"),
        ("capibara6.x.duration.seconds.bucket", "gauge", "capibara6_x_duration_seconds_bucket"),
        ("capibara6.x.calls.total", "gauge", "capibara6_x_calls_total"),
    ],
)
def test_samples_collide_too(name: str, instrument: str, sample: str, tmp_path: Path) -> None:
    """A name that is a sample of another family collides with it, though the families' names differ."""
    (finding,) = _findings(tmp_path, _metric(name, instrument))

    assert finding.id == "name_collision"
    assert f" are both {sample} in Prometheus" in finding.message


@pytest.mark.parametrize(
    "unit",
    [
        "1",
        "%",
        "s",
        "ms",
        "us",
        "ns",
        "min",
        "h",
        "d",
        "By",
        "KiBy",
        "MBy",
        "bit",
        "Hz",
        "kW",
        "{USD}",
        "{x_y.z}",
        "s/{call}",
    ],
)
def test_units_that_are_ucum(unit: str, tmp_path: Path) -> None:
    """Units of the conventions, annotations of any case among them, are accepted."""
    assert _findings(tmp_path, _metric("capibara6.y.a", unit=f'"{unit}"')) == []


@pytest.mark.parametrize("unit", ["", "sec", "bytes", "S", "USD", "{request", "{a b}", "{}", "s/s/s", "1 ", "{call}s"])
def test_units_that_are_not(unit: str, tmp_path: Path) -> None:
    """Anything else is a finding, a currency outside of braces too."""
    assert "unit_not_ucum" in [
        finding.id for finding in _findings(tmp_path, _metric("capibara6.y.a", unit=f'"{unit}"'))
    ]


def test_a_gauge_may_say_total(tmp_path: Path) -> None:
    """A gauge keeps the word where it stands, as the daily cost does."""
    assert _findings(tmp_path, _metric("capibara6.daily.cost.total.usd", "gauge", '"{USD}"')) == []


def test_findings_are_ordered_and_read_well(tmp_path: Path) -> None:
    """Findings come by place; each is written as place, id and message."""
    findings = _findings(tmp_path, _metric("http.total", unit="sec"))

    assert [str(finding) for finding in findings] == [
        "b.yaml:3: [counter_named_total] http.total is a counter; Prometheus adds _total, leave it out",
        "b.yaml:3: [name_prefix] http.total must start with capibara6. or gen_ai.",
        "b.yaml:3: [unit_not_ucum] http.total has unit 'sec'; use a UCUM unit such as s, By, %, 1 or {request}",
    ]
