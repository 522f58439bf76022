"""Reads `registry/*.yaml` into specifications, keeping for each the file and line it came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar, cast, get_args

import yaml

from capibara_otel.exceptions import RegistryError
from capibara_otel.semconv.specs import (
    AttributeSpec,
    AttributeType,
    Instrument,
    MetricSpec,
    Rule,
    SpanKindName,
    SpanSpec,
)

FOLDER: Final = Path(__file__).parent
_LINE: Final = "__line__"
_SECTIONS: Final = ("attributes", "metrics", "spans")
ROLES: Final = ("duration", "count", "active")
"""The metrics an operation moves by itself, by their part in it."""

Entry: TypeAlias = dict[str, Any]
_Spec = TypeVar("_Spec", AttributeSpec, MetricSpec, SpanSpec)


@dataclass(frozen=True, slots=True)
class Registry:
    """Everything declared, in the order of the files.

    Names may stand twice and references may lead nowhere: `check()` says so, loading does not.
    """

    attributes: tuple[AttributeSpec, ...] = ()
    metrics: tuple[MetricSpec, ...] = ()
    spans: tuple[SpanSpec, ...] = ()
    places: Mapping[int, str] = field(default_factory=dict)
    """`file:line` by the `id()` of a specification."""
    metric_refs: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """Names of the metrics a span asks for, by the span's `id()`, whether they exist or not."""

    def place(self, spec: object) -> str:
        """Return `file:line` of a specification."""
        return self.places.get(id(spec), "?")

    def attribute(self, name: str) -> AttributeSpec | None:
        """Return the attribute of that name, or the template it is an instance of."""
        for spec in self.attributes:
            if spec.name == name or (spec.template and name.startswith(spec.name + ".")):
                return spec
        return None

    def metric(self, name: str) -> MetricSpec | None:
        """Return the metric of that name."""
        return next((spec for spec in self.metrics if spec.name == name), None)

    def span(self, kind: str) -> SpanSpec | None:
        """Return the span of that type."""
        return next((spec for spec in self.spans if spec.type == kind), None)


class _LineLoader(yaml.SafeLoader):
    """Keeps the line of each mapping, for messages that lead to the place."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping = super().construct_mapping(node, deep=deep)
        mapping[_LINE] = node.start_mark.line + 1
        return mapping


def load(folder: Path = FOLDER) -> Registry:
    """Read every `*.yaml` of a folder.

    Args:
        folder: where the files are; this package's own by default.

    Raises:
        RegistryError: a file is no YAML or an entry lacks what makes it one; all such faults at once.
    """
    reader = _Reader()
    paths = sorted(folder.glob("*.yaml"))
    if not paths:
        raise RegistryError([f"no *.yaml in {folder}"])
    for path in paths:
        reader.read(path)
    return reader.finish()


class _Reader:
    """Collects entries of all files first, so that a span may name a metric of a later file."""

    def __init__(self) -> None:
        self._faults: list[str] = []
        self._entries: dict[str, list[tuple[str, Entry]]] = {name: [] for name in _SECTIONS}
        self._places: dict[int, str] = {}
        self._metric_refs: dict[int, tuple[str, ...]] = {}

    def read(self, path: Path) -> None:
        """Take the entries of one file."""
        try:
            document = yaml.load(path.read_text(encoding="utf-8"), Loader=_LineLoader)  # noqa: S506 - a SafeLoader
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            self._faults.append(f"{path.name}: no valid YAML: {' '.join(str(error).split())}")
            return
        if not isinstance(document, dict) or document.get("version") != "2":
            self._faults.append(f'{path.name}:1: must begin with version: "2"')
            return
        for unknown in sorted(set(document) - {*_SECTIONS, "version", _LINE}):
            self._faults.append(f"{path.name}: unknown section {unknown!r}; allowed: {', '.join(_SECTIONS)}")
        for section in _SECTIONS:
            for entry in document.get(section) or []:
                if isinstance(entry, dict):
                    self._entries[section].append((f"{path.name}:{entry[_LINE]}", entry))
                else:
                    self._faults.append(f"{path.name}: an entry of {section} is no mapping: {entry!r}")

    def finish(self) -> Registry:
        """Build the specifications."""
        metrics = self._build("metrics", _metric)
        by_name = {spec.name: spec for spec in metrics}
        registry = Registry(
            attributes=self._build("attributes", _attribute),
            metrics=metrics,
            spans=self._build("spans", lambda entry: _span(entry, by_name)),
            places=self._places,
            metric_refs=self._metric_refs,
        )
        if self._faults:
            raise RegistryError(self._faults)
        return registry

    def _build(self, section: str, build: Callable[[Entry], _Spec]) -> tuple[_Spec, ...]:
        specs: list[_Spec] = []
        for place, entry in self._entries[section]:
            try:
                spec = build(entry)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
                self._faults.append(f"{place}: {what}")
                continue
            specs.append(spec)
            self._places[id(spec)] = place
            if section == "spans":
                self._metric_refs[id(spec)] = tuple(str(_notes(entry)[role]) for role in ROLES if role in _notes(entry))
        return tuple(specs)


def _notes(entry: Entry) -> dict[str, Any]:
    return cast("dict[str, Any]", (entry.get("annotations") or {}).get("capibara") or {})


def _refs(entry: Entry) -> tuple[str, ...]:
    return tuple(str(item["ref"]) for item in entry.get("attributes") or [])


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _attribute(entry: Entry) -> AttributeSpec:
    kind, notes = entry["type"], _notes(entry)
    members: tuple[str, ...] = ()
    template = False
    if isinstance(kind, dict):
        members = tuple(str(member["value"]) for member in kind["members"])
        kind = "string"
    elif kind.startswith("template["):
        kind, template = kind.removeprefix("template[").removesuffix("]"), True
    if kind not in get_args(AttributeType):
        raise ValueError(f"type {kind!r} is none of {', '.join(get_args(AttributeType))}")
    return AttributeSpec(
        name=entry["key"],
        type=kind,
        brief=_text(entry),
        members=members,
        minimum=_number(notes.get("minimum")),
        maximum=_number(notes.get("maximum")),
        bounded=notes.get("cardinality") == "bounded",
        template=template,
        content=bool(notes.get("content", False)),
        context=str(notes.get("context", "")),
    )


def _metric(entry: Entry) -> MetricSpec:
    notes = _notes(entry)
    if entry["instrument"] not in get_args(Instrument):
        raise ValueError(f"instrument {entry['instrument']!r} is none of {', '.join(get_args(Instrument))}")
    return MetricSpec(
        name=entry["name"],
        instrument=entry["instrument"],
        unit=str(entry["unit"]),
        brief=_text(entry),
        subsystem=str(notes.get("subsystem", "")),
        attributes=_refs(entry),
        buckets=tuple(float(bound) for bound in notes.get("buckets", ())),
        minimum=None if notes.get("signed") else float(notes.get("minimum", 0)),
        maximum=_number(notes.get("maximum")),
        legacy=bool(notes.get("legacy", False)),
        processes=_rule(notes.get("processes", "latest")),
    )


def _rule(word: Any) -> Rule:
    if word not in get_args(Rule):
        raise ValueError(f"processes {word!r} is none of {', '.join(get_args(Rule))}")
    return cast("Rule", word)


def _span(entry: Entry, metrics: Mapping[str, MetricSpec]) -> SpanSpec:
    notes = _notes(entry)
    if entry["kind"] not in get_args(SpanKindName):
        raise ValueError(f"kind {entry['kind']!r} is none of {', '.join(get_args(SpanKindName))}")
    return SpanSpec(
        type=entry["type"],
        action=" ".join(str(entry["name"]["note"]).split("{")[0].split()),
        kind=cast("SpanKindName", entry["kind"]),
        brief=_text(entry),
        subsystem=str(notes.get("subsystem", "")),
        target=str(notes.get("target", "")),
        attributes=_refs(entry),
        helper=str(notes.get("helper", "")),
        **{role: metrics.get(str(notes[role])) for role in ROLES if role in notes},
    )


def _text(entry: Entry) -> str:
    return " ".join(str(entry.get("brief") or "").split())
