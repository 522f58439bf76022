"""The same data as the official SDK's, whatever is done to spans."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_OFF,
    DEFAULT_ON,
    ParentBased,
    ParentBasedTraceIdRatio,
    Sampler,
    TraceIdRatioBased,
)

from capibara_otel.pipeline.traces.sampling import Sampling
from tests.unit.pipeline.traces.programs import LIMITS, PROGRAMS, Outcome, Picky, Step, run_official, run_own

_SAMPLERS: Mapping[str, tuple[Sampling | Sampler, Sampler]] = {
    "always_on": (Sampling.named("always_on"), ALWAYS_ON),
    "always_off": (Sampling.named("always_off"), ALWAYS_OFF),
    "traceidratio": (Sampling.named("traceidratio", 0.5), TraceIdRatioBased(0.5)),
    "parentbased_always_on": (Sampling.named("parentbased_always_on"), DEFAULT_ON),
    "parentbased_always_off": (Sampling.named("parentbased_always_off"), DEFAULT_OFF),
    "parentbased_traceidratio": (Sampling.named("parentbased_traceidratio", 0.5), ParentBasedTraceIdRatio(0.5)),
    "an official one": (ParentBased(TraceIdRatioBased(0.7)), ParentBased(TraceIdRatioBased(0.7))),
    "one of its own kind": (Picky(), Picky()),
}


@pytest.fixture(autouse=True)
def _silence() -> Iterator[None]:
    """Both say a great deal about wrong input."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@given(program=PROGRAMS, limits=LIMITS, name=st.sampled_from(sorted(_SAMPLERS)), are_random=st.booleans())
@settings(deadline=None, max_examples=300)
def test_any_program_gives_the_same_spans(
    program: Sequence[Step], limits: Mapping[str, int], name: str, are_random: bool
) -> None:
    """Any program gives the same OTLP data, contexts, parents, states and answers as on the official SDK."""
    own, official = _SAMPLERS[name]

    expected = run_official(program, official, limits, are_random=are_random)
    processed, ended = run_own(program, own, limits, are_random=are_random)

    assert processed.data == expected.data
    sampled = [span for span in expected.spans if span.context is not None and span.context.trace_flags.sampled]
    assert ended.data == Outcome(expected.answers, sampled).data
