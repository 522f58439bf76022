"""Which traces are recorded: the official samplers' decisions."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased

from capibara_otel.pipeline.scope import Resource
from capibara_otel.pipeline.traces.provider import TracerProvider
from capibara_otel.pipeline.traces.sampling import RATIO_MASK, Sampling, ratio_bound
from tests.unit.pipeline.traces.programs import Ids


@given(ratio=st.floats(0, 1), trace_id=st.integers(1, 2**128 - 1))
@example(ratio=1.0, trace_id=2**128 - 1)
@example(ratio=0.0, trace_id=2**64)
@example(ratio=2**-64, trace_id=2**64)
def test_a_share_is_the_official_share(ratio: float, trace_id: int) -> None:
    """The bound is the official sampler's, so that all services decide alike on each trace id, also at the edges."""
    official = TraceIdRatioBased(ratio)

    assert ratio_bound(ratio) == official.bound
    decision = official.should_sample(None, trace_id, "name").decision
    assert (trace_id & RATIO_MASK < ratio_bound(ratio)) is (decision is Decision.RECORD_AND_SAMPLE)


@pytest.mark.parametrize("ratio", [-0.1, 1.1, float("nan")])
def test_a_share_lies_between_none_and_all(ratio: float) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match="between 0 and 1"):
        Sampling.named("traceidratio", ratio)


@pytest.mark.parametrize(
    ("name", "argument", "expected"),
    [
        ("", "", ("parentbased_always_on", True, 1.0)),
        ("always_on", "", ("always_on", False, 1.0)),
        (" Always_Off ", "", ("always_off", False, 0.0)),
        ("traceidratio", "0.25", ("traceidratio", False, 0.25)),
        ("parentbased_always_on", "0.5", ("parentbased_always_on", True, 1.0)),
        ("parentbased_always_off", "", ("parentbased_always_off", True, 0.0)),
        ("parentbased_traceidratio", "0.5", ("parentbased_traceidratio", True, 0.5)),
    ],
)
def test_the_environment_names_the_sampler(name: str, argument: str, expected: tuple[str, bool, float]) -> None:
    """Each built-in name gives its rule; only ratios take the argument."""
    read = Sampling.read({"OTEL_TRACES_SAMPLER": name, "OTEL_TRACES_SAMPLER_ARG": argument})

    assert (read.get_description(), read.by_parent, read.bound) == (*expected[:2], ratio_bound(expected[2]))


@pytest.mark.parametrize("argument", [None, "", "much", "2", "-1", "nan"])
def test_a_share_that_cannot_be_read_is_all(argument: str | None, caplog: pytest.LogCaptureFixture) -> None:
    """It is said, and everything is recorded, as with the SDK."""
    environ = {} if argument is None else {"OTEL_TRACES_SAMPLER_ARG": argument}
    read = Sampling.read({"OTEL_TRACES_SAMPLER": "traceidratio", **environ})

    assert read == Sampling.named("traceidratio", 1.0)
    assert "OTEL_TRACES_SAMPLER_ARG" in caplog.text


@pytest.mark.parametrize("name", ["sometimes", "xtraceidratio", "parentbased_"])
def test_a_name_that_is_none_is_the_default(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """It is said, and the default sampler is used, as with the SDK."""
    assert Sampling.read({"OTEL_TRACES_SAMPLER": name}) == Sampling()
    assert name in caplog.text


def test_a_share_of_roots_is_recorded_with_all_their_children() -> None:
    """With a ratio by parent a trace is recorded as a whole or not at all."""
    sampling = Sampling.named("parentbased_traceidratio", 0.5)
    ended: list[object] = []
    tracer = TracerProvider(
        Resource({}), sampler=sampling, on_end=ended.append, id_generator=Ids(are_random=True)
    ).get_tracer("lib")
    whole = 0
    for _ in range(200):
        before = len(ended)
        with tracer.start_as_current_span("root"), tracer.start_as_current_span("child"):
            pass
        assert len(ended) - before in {0, 2}
        whole += len(ended) - before == 2
    assert 60 < whole < 140
