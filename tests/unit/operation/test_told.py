"""What an operation is told reaches its span: at its start, when the span is asked for, at its end."""

from __future__ import annotations

import threading

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import INVALID_SPAN

from capibara_otel.exceptions import UsageError
from capibara_otel.operation import Operation
from capibara_otel.sdk import DEFAULT
from capibara_otel.semconv import attributes as a
from capibara_otel.semconv import metrics as m
from capibara_otel.semconv import spans
from capibara_otel.testing import Capture

cap = DEFAULT


@pytest.fixture(name="capture", params=["capibara", "sdk"])
def _capture(request: pytest.FixtureRequest) -> object:
    with Capture(pipeline=request.param) as capture:
        yield capture


def _search() -> Operation:
    return Operation(cap.emitter, spans.RAG_SEARCH)


def _on(operation: Operation) -> dict[str, object]:
    span = operation.span
    assert isinstance(span, ReadableSpan) or hasattr(span, "attributes")
    return dict(span.attributes or {})


def test_take_returns_what_was_recorded(capture: Capture) -> None:
    """`take` gives back the value as it is recorded, and None where nothing is."""
    operation = _search()

    assert operation.take(a.RAG_INDEX, "docs") == "docs"
    assert operation.take(a.RAG_TOP_K, None) is None
    with pytest.raises(UsageError, match=r"cap\.rag\.search\(top_k=0\) expects int ≥ 1, got int"):
        operation.take(a.RAG_TOP_K, 0)
    assert dict(operation.attributes) == {"capibara6.rag.index": "docs"}


def test_who_asks_for_the_span_sees_all_that_was_told(capture: Capture) -> None:
    """Attributes are on the running span when the operation is asked for it, those told in between too."""
    with _search().set(a.RAG_INDEX, "docs") as operation:
        assert _on(operation) == {"capibara6.rag.index": "docs"}
        operation.set(a.RAG_TOP_K, 3)
        operation.know(a.RAG_HIT, value=True)
        assert _on(operation) == {
            "capibara6.rag.index": "docs",
            "capibara6.rag.top_k": 3,
            "capibara6.rag.hit": True,
        }
        operation.set(a.RAG_TOP_K, 4)

    assert capture.attributes("rag search docs") == {
        "capibara6.rag.index": "docs",
        "capibara6.rag.top_k": 4,
        "capibara6.rag.hit": True,
        "capibara6.outcome": "success",
    }


def test_what_the_app_writes_after_the_span_was_asked_for_holds(capture: Capture) -> None:
    """What was on the span already is not written a second time over what the app made of it."""
    with _search().set(a.RAG_INDEX, "docs") as operation:
        operation.set(a.RAG_TOP_K, 3)
        operation.span.set_attribute(a.RAG_TOP_K, 7)

    assert capture.attributes("rag search docs")["capibara6.rag.top_k"] == 7


def test_hooks_see_the_whole_span(capture: Capture) -> None:
    """When hooks are told, everything that was told is on the span, which can still be written to."""
    seen: list[dict[str, object]] = []

    class Looking:
        def on_end(self, _record: object, span: object) -> None:
            """Look."""
            seen.append(dict(span.attributes))  # type: ignore[attr-defined]
            span.set_attribute("hook", 1)  # type: ignore[attr-defined]

    cap.emitter.hooks = (Looking(), *cap.emitter.hooks)
    with _search() as operation:
        operation.set(a.RAG_TOP_K, 3)

    assert seen == [{"capibara6.rag.top_k": 3, "capibara6.outcome": "success"}]
    assert capture.attributes("rag search")["hook"] == 1


def test_what_is_told_after_the_end_changes_nothing(capture: Capture) -> None:
    """Late words are for nobody: neither span nor metrics take them."""
    with _search() as operation:
        pass
    operation.set(a.RAG_TOP_K, 3).measure(m.RAG_RESULTS, 1)

    assert "capibara6.rag.top_k" not in capture.attributes("rag search")
    assert "capibara6.rag.results" not in capture.metric_names
    assert len(capture.records[0].measurements) == 2


def test_without_a_span(capture: Capture) -> None:
    """An operation that only measures can be asked for its span, which records nothing."""
    operation = _search().start(span=False)
    operation.set(a.RAG_TOP_K, 3)

    assert operation.span is INVALID_SPAN
    operation.finish()
    assert capture.records[0].attributes == {"capibara6.rag.top_k": 3, "capibara6.outcome": "success"}


def test_many_threads_may_tell_and_ask(capture: Capture) -> None:
    """Nothing that one thread tells is lost while others ask for the span."""
    operation = _search().start()
    barrier = threading.Barrier(4)

    def tell(number: int) -> None:
        barrier.wait()
        for attempt in range(200):
            operation.set(f"http.request.header.x-{number}-{attempt % 10}", [str(attempt)])
            _ = operation.span

    threads = [threading.Thread(target=tell, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    operation.finish()

    told = {name: value for name, value in capture.attributes("rag search").items() if "header" in name}
    assert told == {
        f"http.request.header.x-{number}-{last}": (str(190 + last),) for number in range(4) for last in range(10)
    }


@pytest.mark.parametrize("late", [False, True])
def test_the_record_has_the_name_of_the_span(late: bool, capture: Capture) -> None:
    """A record names the work by its target, also one that was told late; a new name is the name."""
    with _search() as operation:
        operation.set(a.RAG_INDEX, "docs") if late else operation.rename("lookup")

    assert capture.records[0].name == ("rag search docs" if late else "lookup")
