"""Whatever a helper is given, the caller's code goes on."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from capibara_otel.exceptions import UsageError
from capibara_otel.operation import Operation
from capibara_otel.sdk import Capibara
from capibara_otel.testing import Capture
from tests.support.calls import RIGHT, TOLD, Hostile, do


class _HostileError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("hostile")


class _BareArray:
    """Like an array of numpy: it has items, but no truth value."""

    def __init__(self, *items: float) -> None:
        self._items = items

    def __bool__(self) -> bool:
        raise ValueError("The truth value of an array with more than one element is ambiguous.")

    def __iter__(self) -> Iterator[float]:
        return iter(self._items)


def _failing() -> Iterator[float]:
    yield 0.5
    raise RuntimeError("the source broke")


_JUNK: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "True": lambda: True,
    "object": object,
    "hostile": Hostile,
    "empty text": lambda: "",
    "text": lambda: "junk",
    "long text": lambda: "x" * 10_000,
    "odd text": lambda: "\ud800",
    "bytes": lambda: b"junk",
    "-1": lambda: -1,
    "0": lambda: 0,
    "7": lambda: 7,
    "0.5": lambda: 0.5,
    "nan": lambda: math.nan,
    "inf": lambda: math.inf,
    "-inf": lambda: -math.inf,
    "10**400": lambda: 10**400,
    "2**70": lambda: 2**70,
    "Fraction": lambda: Fraction(10**400),
    "Decimal": lambda: Decimal("0.5"),
    "complex": lambda: 1j,
    "list": list,
    "list of junk": lambda: [None, object(), "a", 1, math.nan],
    "dict": lambda: {"a": 1},
    "array": lambda: _BareArray(0.1, 0.9),
    "failing": _failing,
    "exception": lambda: ValueError("junk"),
    "hostile exception": _HostileError,
}  # fmt: skip

_OF_THE_MIDDLEWARE = {"arrived", "began_to_respond", "connected", "served"}
"""Called by the middleware alone, with what it has judged itself."""

_EVERY_ARGUMENT = [
    (call, argument) for calls in (RIGHT, TOLD) for call, arguments in calls.items() for argument in arguments
]


def test_every_helper_is_tried(cap: Capibara) -> None:
    """A new helper, or a new argument, is noticed here until it is in the tables above."""
    helpers: dict[str, set[str]] = {}
    told: dict[str, set[str]] = {}
    inherited = (set(dir(Operation)) | _OF_THE_MIDDLEWARE) - {"chunk"}
    rooms = {
        name: room for name, room in vars(cap).items() if type(room).__module__.startswith("capibara_otel.subsystems.")
    }
    assert len(rooms) >= 10
    for subsystem, room in rooms.items():
        for verb, method in inspect.getmembers(room, inspect.ismethod):
            if verb.startswith("_") or verb == "watch_event_loop" or verb in _OF_THE_MIDDLEWARE:
                continue
            call = f"{subsystem}.{verb}"
            helpers[call] = set(inspect.signature(method).parameters)
            opened = room.__class__.__dict__[verb].__annotations__["return"]
            if opened != "None":
                kind = getattr(inspect.getmodule(room.__class__), opened)
                for name, function in inspect.getmembers(kind, inspect.isfunction):
                    if not name.startswith("_") and name not in inherited and (name != "chunk" or opened == "Chat"):
                        told[f"{call}.{name}"] = set(inspect.signature(function).parameters) - {"self"}

    assert helpers == {call: set(arguments) for call, arguments in RIGHT.items()}
    untried = {call for call in told if call not in TOLD}
    assert untried == {
        "api.websocket.disconnected", "api.websocket.routed", "llm.embed.provider_error", "llm.embed.retried",
        }  # fmt: skip
    assert all(set(TOLD[call]) == arguments for call, arguments in told.items() if call in TOLD)


@pytest.mark.parametrize("call", [*RIGHT, *TOLD])
def test_right_calls_are_silent(call: str, cap: Capibara) -> None:
    """The calls of the tables are right: nothing is raised in a test run."""
    with Capture(cap, capture_content=True) as capture:
        do(cap, call, {**RIGHT, **TOLD}[call])

        assert capture.value("capibara6.telemetry.invalid") == 0
        assert capture.value("capibara6.telemetry.errors") == 0


@pytest.mark.parametrize(("call", "argument"), _EVERY_ARGUMENT, ids=str)
@pytest.mark.usefixtures("quiet")
def test_no_value_harms_the_caller(call: str, argument: str, cap: Capibara) -> None:
    """Whatever stands for an argument, nothing is raised, nothing stays open, and no fault of ours comes of it."""
    with Capture(cap, capture_content=True) as capture:
        for name, make in _JUNK.items():
            try:
                do(cap, call, {**{**RIGHT, **TOLD}[call], argument: make()})
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the failure
                pytest.fail(f"{call}({argument}={name}) raised {error!r}")

        assert capture.value("capibara6.telemetry.errors") == 0
        assert all(span.end_time is not None for span in capture.spans)
        assert cap.current() is None


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (call, argument)
        for call, argument in _EVERY_ARGUMENT
        if (call.startswith("system.") or not call.split(".")[1].startswith("record_"))
        and (call, argument) != ("llm.chat.answered", "text")
    ],
    ids=str,
)
def test_the_message_names_the_argument(call: str, argument: str, cap: Capibara) -> None:
    """What is wrong is said by the call and the word that the caller wrote."""
    with Capture(cap, capture_content=True), pytest.raises(UsageError) as raised:
        do(cap, call, {**{**RIGHT, **TOLD}[call], argument: object()})

    assert str(raised.value).startswith(f"capibara_otel: cap.{call}({argument}=<object object at ")
