"""One file per question."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from benchmarks.lib.question import Question
from benchmarks.questions import (
    attributes,
    bound,
    ending,
    helper,
    latency,
    memory,
    receiver,
    request,
    scrape,
    start,
    stop,
)

QUESTIONS: Final[Mapping[str, Question]] = {
    module.QUESTION.key: module.QUESTION
    for module in (bound, attributes, helper, request, latency, scrape, memory, ending, stop, start, receiver)
}
"""In the order of the page."""
