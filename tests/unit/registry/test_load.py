"""Reading registry files: what becomes of an entry, and every fault at once."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from capibara_otel.exceptions import RegistryError
from capibara_otel.registry import Registry, load
from capibara_otel.semconv.specs import AttributeSpec, MetricSpec, SpanSpec


def _load(folder: Path, **files: str) -> Registry:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(dedent(text), encoding="utf-8")
    return load(folder)


def _faults(folder: Path, **files: str) -> tuple[str, ...]:
    with pytest.raises(RegistryError) as raised:
        _load(folder, **files)
    return raised.value.faults


def test_an_attribute_with_everything(tmp_path: Path) -> None:
    """Type, members, bounds, cardinality, content and context keyword are read; the brief becomes one line."""
    registry = _load(
        tmp_path,
        area="""\
        version: "2"
        attributes:
          - key: capibara6.x.score
            type: double
            brief: >
              A score,
              folded.
            annotations: {capibara: {cardinality: bounded, minimum: -1, maximum: 1, content: true, context: who}}
          - key: capibara6.x.kind
            type: {members: [{id: a, value: a}, {id: b, value: 2}]}
            brief: A kind.
          - key: capibara6.x.header
            type: template[string[]]
            brief: Headers.
        """,
    )

    assert registry.attributes == (
        AttributeSpec(
            "capibara6.x.score", "double", "A score, folded.", (), -1.0, 1.0, bounded=True, content=True, context="who"
        ),
        AttributeSpec("capibara6.x.kind", "string", "A kind.", members=("a", "2")),
        AttributeSpec("capibara6.x.header", "string[]", "Headers.", template=True),
    )
    assert [registry.place(spec) for spec in registry.attributes] == ["area.yaml:3", "area.yaml:9", "area.yaml:12"]


def test_a_metric_with_everything(tmp_path: Path) -> None:
    """Instrument, unit, labels, buckets and bounds are read; measurements are not negative unless they are signed."""
    registry = _load(
        tmp_path,
        area="""\
        version: "2"
        metrics:
          - name: capibara6.x.duration
            instrument: histogram
            unit: s
            brief: Time.
            attributes: [{ref: b.two}, {ref: a.one}]
            annotations: {capibara: {subsystem: x, buckets: [1, 2.5], maximum: 9, legacy: true}}
          - name: capibara6.x.level
            instrument: gauge
            unit: 1
            brief: Level.
            annotations: {capibara: {subsystem: x, signed: true}}
          - {name: capibara6.x.least, instrument: gauge, unit: "%", brief: Least., annotations: {capibara: {minimum: 2}}}
        """,
    )

    assert registry.metrics == (
        MetricSpec(
            "capibara6.x.duration",
            "histogram",
            "s",
            "Time.",
            "x",
            ("b.two", "a.one"),
            (1.0, 2.5),
            0.0,
            9.0,
            legacy=True,
        ),
        MetricSpec("capibara6.x.level", "gauge", "1", "Level.", "x", minimum=None),
        MetricSpec("capibara6.x.least", "gauge", "%", "Least.", "", minimum=2.0),
    )


def test_a_span_and_its_metrics_from_another_file(tmp_path: Path) -> None:
    """A span takes its action from its name's words, and its metrics from any file, also a later one."""
    registry = _load(
        tmp_path,
        first="""\
        version: "2"
        spans:
          - type: capibara6.x.call
            kind: client
            name: {note: "x call {capibara6.x.kind}"}
            brief: A call.
            attributes: [{ref: capibara6.x.kind}]
            annotations: {capibara: {subsystem: x, target: capibara6.x.kind, count: capibara6.x.calls, active: no.such}}
          - {type: capibara6.x.other, kind: internal, name: {note: x other}, brief: Another., annotations: {capibara: {helper: x.else}}}
        """,
        second="""\
        version: "2"
        metrics:
          - {name: capibara6.x.calls, instrument: counter, unit: "{call}", brief: Calls.}
        """,
    )
    calls = MetricSpec("capibara6.x.calls", "counter", "{call}", "Calls.", "")

    assert registry.spans == (
        SpanSpec(
            "capibara6.x.call",
            "x call",
            "client",
            "A call.",
            "x",
            "capibara6.x.kind",
            ("capibara6.x.kind",),
            count=calls,
        ),
        SpanSpec("capibara6.x.other", "x other", "internal", "Another.", "", helper="x.else"),
    )
    assert registry.spans[0].count is registry.metrics[0]
    assert registry.metric_refs[id(registry.spans[0])] == ("capibara6.x.calls", "no.such")
    assert registry.place(registry.spans[1]) == "first.yaml:9"
    assert [span.call for span in registry.spans] == ["x.call", "x.else"]


def test_names_are_found(tmp_path: Path) -> None:
    """Specifications are found by name, an attribute also by the template it is an instance of."""
    registry = _load(
        tmp_path,
        area="""\
        version: "2"
        attributes:
          - {key: h.header, type: "template[string]", brief: Headers.}
          - {key: h.plain, type: string, brief: Plain.}
        metrics:
          - {name: capibara6.m, instrument: counter, unit: "{x}", brief: M.}
        spans:
          - {type: capibara6.s, kind: server, name: {note: s}, brief: S.}
        """,
    )

    assert registry.attribute("h.header.accept") is registry.attribute("h.header") is registry.attributes[0]
    assert registry.attribute("h.headers") is None
    assert registry.attribute("h.plain.accept") is None
    assert registry.metric("capibara6.m") is registry.metrics[0]
    assert registry.span("capibara6.s") is registry.spans[0]
    assert registry.metric("capibara6.s") is None
    assert registry.span("capibara6.m") is None
    assert registry.place(object()) == "?"


def test_all_faults_of_all_files_at_once(tmp_path: Path) -> None:
    """Whoever mends a registry sees every fault with its place in one go."""
    faults = _faults(
        tmp_path,
        a_broken="version: [2",
        b_old='version: "1"',
        c_number="version: 2",
        d_list="- version",
        e_entries="""\
        version: "2"
        attribute: []
        zones: []
        attributes:
          - {type: string, brief: Lacks its key.}
          - {key: x.a, brief: Lacks its type.}
          - {key: x.b, type: float, brief: Unknown type.}
          - {key: x.c, type: {members: [{id: a}]}, brief: A member without value.}
          - x.d
        metrics:
          - {name: x.e, instrument: summary, unit: s, brief: Unknown instrument.}
          - {name: x.f, instrument: counter, brief: Lacks its unit.}
          - {name: x.g, instrument: histogram, unit: s, brief: G., annotations: {capibara: {buckets: [one]}}}
          - {name: x.h, instrument: counter, unit: s, brief: H., attributes: [{wref: x.a}]}
        spans:
          - {type: x.i, kind: sideways, name: {note: x}, brief: Unknown kind.}
          - {type: x.j, kind: server, brief: Lacks its name.}
        """,
    )

    assert faults == (
        (
            'a_broken.yaml: no valid YAML: while parsing a flow sequence in "<unicode string>", line 1, column 10: '
            "version: [2 ^ expected ',' or ']', but got '<stream end>' in \"<unicode string>\", line 1, column 12: version: [2 ^"
        ),
        'b_old.yaml:1: must begin with version: "2"',
        'c_number.yaml:1: must begin with version: "2"',
        'd_list.yaml:1: must begin with version: "2"',
        "e_entries.yaml: unknown section 'attribute'; allowed: attributes, metrics, spans",
        "e_entries.yaml: unknown section 'zones'; allowed: attributes, metrics, spans",
        "e_entries.yaml: an entry of attributes is no mapping: 'x.d'",
        "e_entries.yaml:11: instrument 'summary' is none of counter, updowncounter, gauge, histogram",
        "e_entries.yaml:12: 'unit' is missing",
        "e_entries.yaml:13: could not convert string to float: 'one'",
        "e_entries.yaml:14: 'ref' is missing",
        "e_entries.yaml:5: 'key' is missing",
        "e_entries.yaml:6: 'type' is missing",
        "e_entries.yaml:7: type 'float' is none of string, int, double, boolean, string[], int[], double[], boolean[]",
        "e_entries.yaml:8: 'value' is missing",
        "e_entries.yaml:16: kind 'sideways' is none of internal, server, client, producer, consumer",
        "e_entries.yaml:17: 'name' is missing",
    )


def test_the_message_counts_the_faults(tmp_path: Path) -> None:
    """The error's text is a head with the number of faults, then one fault a line."""
    with pytest.raises(RegistryError) as raised:
        _load(tmp_path, area='version: "3"')

    assert str(raised.value) == 'capibara_otel registry: 1 fault\n  area.yaml:1: must begin with version: "2"'


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are a fault of the file, not a crash."""
    (tmp_path / "area.yaml").write_bytes(b'version: "2" # \xff\xfe')
    with pytest.raises(RegistryError) as raised:
        load(tmp_path)

    assert raised.value.faults == (
        "area.yaml: no valid YAML: 'utf-8' codec can't decode byte 0xff in position 15: invalid start byte",
    )


def test_a_folder_without_files(tmp_path: Path) -> None:
    """An empty folder is said to be one, rather than read as an empty registry."""
    assert _faults(tmp_path) == (f"no *.yaml in {tmp_path}",)


def test_files_without_entries(tmp_path: Path) -> None:
    """Sections may be empty or left out."""
    assert _load(tmp_path, area='version: "2"\nmetrics:\n') == Registry()
