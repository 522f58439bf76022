"""Generating files from the registry: what is written, what stops it, what is noticed."""

from __future__ import annotations

import functools
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from capibara_otel.config import describe
from capibara_otel.gen import __main__ as gen
from capibara_otel.gen import code, reference
from capibara_otel.gen.files import generated, stale
from capibara_otel.registry import Registry, load
from capibara_otel.semconv import promnames
from capibara_otel.semconv.specs import AttributeSpec, MetricSpec, SpanSpec

_REGISTRY = load()
_SMALL = Registry(
    attributes=(
        AttributeSpec("capibara6.x.kind", "string", 'A "kind" \\ of a|b.', ("a", "b"), bounded=True),
        AttributeSpec("capibara6.x.share", "double", "A share.", minimum=0.0, maximum=0.5),
        AttributeSpec("x.header", "string[]", "Headers.", template=True, content=True, context="header"),
    ),
    metrics=(
        MetricSpec("capibara6.x.time", "histogram", "s", "Time.", "x", ("capibara6.x.kind",), (0.5, 1.0), legacy=True),
        MetricSpec("capibara6.x.calls", "counter", "{call}", "Calls.", "x", ("capibara6.x.kind", "capibara6.x.share")),
        MetricSpec("capibara6.y.level", "gauge", "%", "Level.", "y", minimum=None),
    ),
)
_SPANS = Registry(
    attributes=_SMALL.attributes,
    metrics=_SMALL.metrics,
    spans=(
        SpanSpec(
            "capibara6.x.call",
            "x call",
            "client",
            "A call.",
            "x",
            "capibara6.x.kind",
            ("capibara6.x.kind",),
            duration=_SMALL.metrics[0],
            count=_SMALL.metrics[1],
            helper="x.do",
        ),
        SpanSpec("capibara6.y.run", "y run", "internal", "A run.", "y"),
    ),
)


class TestModules:
    """The modules of `semconv/`."""

    @pytest.mark.parametrize("kind", ["attributes", "metrics", "spans"])
    def test_those_in_the_checkout_are_the_registrys(self, kind: str) -> None:
        """Nobody edited them by hand, and nobody forgot to write them."""
        text = getattr(code, kind)(_REGISTRY)

        assert (gen.ROOT / f"capibara_otel/semconv/{kind}.py").read_text(encoding="utf-8") == text

    def test_they_hold_what_the_registry_says(self, tmp_path: Path) -> None:
        """Run as Python, they give the very specifications they were written from; defaults are not written."""
        found = {}
        for name in ("attributes", "metrics", "spans"):
            text = getattr(code, name)(_SPANS)
            text = text.replace("from capibara_otel.semconv import attributes as a", "import attributes as a")
            text = text.replace("from capibara_otel.semconv import metrics as m", "import metrics as m")
            (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        sys.path.insert(0, str(tmp_path))
        try:
            for name in ("attributes", "metrics", "spans"):
                found[name] = runpy.run_path(str(tmp_path / f"{name}.py"))
        finally:
            sys.path.remove(str(tmp_path))
            for name in ("attributes", "metrics"):
                sys.modules.pop(name, None)

        assert dict(found["attributes"]["ATTRIBUTES"]) == {spec.name: spec for spec in _SPANS.attributes}
        assert found["attributes"]["X_SHARE"] == "capibara6.x.share"
        assert set(found["metrics"]["METRICS"]) == set(_SPANS.metrics)
        assert found["metrics"]["X_CALLS"] == _SPANS.metrics[1]
        assert set(found["spans"]["SPANS"]) == set(_SPANS.spans)
        assert found["spans"]["X_CALL"].duration == _SPANS.metrics[0]
        assert "signed" not in code.metrics(_SPANS)
        assert "legacy=False" not in code.metrics(_SPANS)

    def test_their_first_line(self) -> None:
        """It says that they are written, from what, and by which command."""
        for text in (code.attributes(_SMALL), code.metrics(_SMALL), code.spans(_SMALL)):
            first = text.splitlines()[0]
            assert first.endswith('. DO NOT EDIT. Written by `make gen` from capibara_otel/registry/*.yaml."""')

    def test_their_order(self) -> None:
        """Constants come in alphabetical order, however the files are ordered."""
        names = [line.partition(":")[0] for line in code.metrics(_SMALL).splitlines() if ": Final = MetricSpec" in line]

        assert names == ["X_CALLS", "X_TIME", "Y_LEVEL"]


class TestReference:
    """The pages of `docs/reference/`."""

    def test_metrics(self) -> None:
        """By subsystem: both names, kind, unit, labels and what it is; buckets of histograms."""
        assert reference.metrics(_SMALL).splitlines() == [
            "<!-- DO NOT EDIT. Written by `make gen`. -->",
            "",
            "# Metrics",
            "",
            "3 metrics. The name in Prometheus is the same on `/metrics` and through the Collector.",
            "",
            "## x",
            "",
            "| Prometheus | OpenTelemetry | kind | unit | labels | what it is |",
            "| --- | --- | --- | --- | --- | --- |",
            "| `capibara6_x_time_seconds` | `capibara6.x.time` | histogram | `s` | `capibara6_x_kind` | Time. Legacy name. |",
            "| `capibara6_x_calls_total` | `capibara6.x.calls` | counter | `{call}` | `capibara6_x_kind`, `capibara6_x_share` | Calls. |",
            "",
            "Buckets of `capibara6_x_time_seconds`: 0.5, 1.  ",
            "",
            "## y",
            "",
            "| Prometheus | OpenTelemetry | kind | unit | labels | what it is |",
            "| --- | --- | --- | --- | --- | --- |",
            "| `capibara6_y_level_percent` | `capibara6.y.level` | gauge | `%` | none | Level. |",
        ]

    def test_every_metric_is_on_the_page(self) -> None:
        """No metric of the registry is left out."""
        page = reference.metrics(_REGISTRY)

        assert all(f"| `{promnames.series(spec)}` | `{spec.name}` |" in page for spec in _REGISTRY.metrics)

    def test_attributes(self) -> None:
        """Name, constant, what it takes, whether it is bounded; a `|` does not break the table."""
        assert reference.attributes(_SMALL).splitlines() == [
            "<!-- DO NOT EDIT. Written by `make gen`. -->",
            "",
            "# Attributes",
            "",
            "Constants are in `capibara_otel.semconv.attributes`. Only bounded attributes become metric labels.",
            "",
            "| attribute | constant | takes | bounded | what it is |",
            "| --- | --- | --- | --- | --- |",
            '| `capibara6.x.kind` | `X_KIND` | `a`, `b` | yes | A "kind" \\ of a\\|b. |',
            "| `capibara6.x.share` | `X_SHARE` | 0 ≤ double ≤ 0.5 | no | A share. |",
            "| `x.header` | `X_HEADER` | string[], content | no | Headers. |",
        ]

    def test_spans(self) -> None:
        """Kind, name, the metrics it moves, its attributes."""
        assert reference.spans(_SPANS).partition("## ")[2] == (
            "capibara6.x.call\n\nA call. Kind client, named `x call {capibara6.x.kind}`.\n\n"
            "Moves `capibara6_x_calls_total`, `capibara6_x_time_seconds`.\n\n- `capibara6.x.kind`\n\n"
            "## capibara6.y.run\n\nA run. Kind internal, named `y run`.\n"
        )

    def test_settings(self) -> None:
        """Every setting with its variable, what it takes, its default and what it is."""
        lines = reference.settings().splitlines()

        assert lines[2] == "# Settings"
        assert lines[6:8] == [
            "| setting | variable | takes | default | what it is |",
            "| --- | --- | --- | --- | --- |",
        ]
        assert lines[8:] == [
            "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
            for row in (
                (
                    f"`{doc.name}`",
                    f"`{doc.env}`",
                    doc.allowed or doc.type,
                    f"`{doc.default}`" if doc.default else "none",
                    doc.brief,
                )
                for doc in describe()
            )
        ]

    def test_the_command_line(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Every command with its help, whatever the terminal is like."""
        page = reference.command_line()
        monkeypatch.setenv("COLUMNS", "20")
        monkeypatch.setenv("FORCE_COLOR", "1")

        assert reference.command_line() == page
        assert "## capibara-otel registry check\n\n```text\nUsage: capibara-otel registry check [OPTIONS]\n" in page
        assert "## capibara-otel registry list\n" in page
        assert "\x1b" not in page


class TestCommand:
    """`python -m capibara_otel.gen`."""

    def test_it_writes_every_file(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """All files are written below the root, folders made, and then none is stale."""
        assert gen.main(["--root", str(tmp_path)]) == 0
        files = generated(_REGISTRY)

        assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")} == set(files)
        assert stale(files, tmp_path) == []
        assert capsys.readouterr().out == (
            f"{len(files)} files written from {len(_REGISTRY.metrics)} metrics, "
            f"{len(_REGISTRY.attributes)} attributes, {len(_REGISTRY.spans)} spans\n"
        )

    def test_it_writes_the_same_again(self, tmp_path: Path) -> None:
        """Nothing in the files depends on when or how often they are written."""
        gen.main(["--root", str(tmp_path)])
        first = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
        gen.main(["--root", str(tmp_path)])

        assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == first

    def test_checking_finds_what_differs(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A changed file and a missing one are named, with what to do; nothing is written."""
        gen.main(["--root", str(tmp_path)])
        changed, missing = tmp_path / "capibara_otel/semconv/spans.py", tmp_path / "docs/reference/spans.md"
        changed.write_text(changed.read_text(encoding="utf-8") + "\n", encoding="utf-8")
        missing.unlink()
        capsys.readouterr()

        assert gen.main(["--root", str(tmp_path), "--check"]) == 1
        assert capsys.readouterr().err == (
            "capibara_otel/semconv/spans.py is out of date: run `make gen` and commit the result\n"
            "docs/reference/spans.md is out of date: run `make gen` and commit the result\n"
        )
        assert not missing.exists()
        assert stale(generated(_REGISTRY), tmp_path) == ["capibara_otel/semconv/spans.py", "docs/reference/spans.md"]

    def test_checking_is_content_with_what_is_right(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Without differences there is nothing to say."""
        gen.main(["--root", str(tmp_path)])
        capsys.readouterr()

        assert gen.main(["--root", str(tmp_path), "--check"]) == 0
        assert capsys.readouterr() == ("", "")

    @pytest.mark.parametrize("check", [[], ["--check"]])
    def test_findings_stop_it(
        self, check: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """From a registry with findings nothing is written; they are said."""
        folder, root = tmp_path / "registry", tmp_path / "root"
        folder.mkdir()
        (folder / "a.yaml").write_text(
            'version: "2"\nattributes:\n  - {key: x.a, type: string, brief: No stop}\n', "utf-8"
        )
        monkeypatch.setattr(gen, "load", functools.partial(load, folder))

        assert gen.main(["--root", str(root), *check]) == 1
        assert capsys.readouterr() == ("", "a.yaml:3: [brief_sentence] the brief of x.a must end with a full stop\n")
        assert not root.exists()

    def test_as_a_program(self, tmp_path: Path) -> None:
        """The exit code says whether all is well."""
        command = [sys.executable, "-m", "capibara_otel.gen", "--root", str(tmp_path), "--check"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)

        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.count("run `make gen` and commit the result\n") == len(generated(_REGISTRY))
