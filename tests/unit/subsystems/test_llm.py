"""`cap.llm`: calls to chat and embedding models."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest

from capibara_otel.operation.emitter import GenAiMetrics
from capibara_otel.sdk import Capibara
from capibara_otel.testing import Capture
from tests.support.emitted import metrics, only_span, point, typed

_ASKED = {
    "gen_ai__operation__name": "chat",
    "gen_ai__provider__name": "openai",
    "gen_ai__request__model": "gpt-5-mini",
}
_ANSWERED = {**_ASKED, "gen_ai__response__model": "gpt-5-mini-2026"}
_EMBEDDED = {**_ASKED, "gen_ai__operation__name": "embeddings", "gen_ai__request__model": "e-3"}
_MODEL = {"gen_ai__provider__name": "openai", "gen_ai__request__model": "gpt-5-mini"}
_OK = {"capibara6__outcome": "success"}
_TEXT = {"gen_ai__token__modality": "text"}
_COUNTERS = "gen_ai.client.inference.usage."


class TestChat:
    """`cap.llm.chat(…)`."""

    def test_as_a_block(self, cap: Capibara, capture: Capture) -> None:
        """A call is a client span as the GenAI conventions have it, a count, a duration, and its tokens."""
        with cap.llm.chat(
            provider="openai",
            model="gpt-5-mini",
            streamed=False,
            max_tokens=512,
            temperature=1,
            server_address="api.example.com",
            server_port=443,
        ) as chat:
            assert capture.value("capibara6.llm.calls.active") == 1
            capture.clock.advance(1.5)
            chat.usage(
                input_tokens=812, output_tokens=164, cached_tokens=512, cache_write_tokens=300, reasoning_tokens=96
            )
            chat.answered(model="gpt-5-mini-2026", response_id="chatcmpl-1", finish_reason="stop", text="hidden")

        assert only_span(capture) == (
            "chat gpt-5-mini",
            "CLIENT",
            "UNSET",
            typed(
                {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.provider.name": "openai",
                    "gen_ai.request.model": "gpt-5-mini",
                    "gen_ai.request.stream": False,
                    "gen_ai.request.max_tokens": 512,
                    "gen_ai.request.temperature": 1.0,
                    "server.address": "api.example.com",
                    "server.port": 443,
                    "gen_ai.usage.input_tokens": 812,
                    "gen_ai.usage.output_tokens": 164,
                    "gen_ai.usage.cache_read.input_tokens": 512,
                    "gen_ai.usage.cache_write.input_tokens": 300,
                    "gen_ai.usage.reasoning.output_tokens": 96,
                    "gen_ai.response.model": "gpt-5-mini-2026",
                    "gen_ai.response.id": "chatcmpl-1",
                    "gen_ai.response.finish_reasons": ("stop",),
                    "capibara6.outcome": "success",
                }
            ),
        )
        assert metrics(capture) == {
            "capibara6.llm.calls": [point(1, **_ASKED, **_OK)],
            "capibara6.llm.calls.active": [point(0, **_ASKED)],
            "capibara6.llm.finishes": [point(1, **_MODEL, capibara6__llm__finish_reason="stop")],
            "gen_ai.client.inference.duration": [point((1, 1.5), **_ANSWERED)],
            "gen_ai.client.inference.operation.input_tokens": [point((1, 812.0), **_ANSWERED)],
            "gen_ai.client.inference.operation.output_tokens": [point((1, 164.0), **_ANSWERED)],
            f"{_COUNTERS}input_tokens": [point(812, **_ANSWERED, **_TEXT)],
            f"{_COUNTERS}output_tokens": [point(164, **_ANSWERED, **_TEXT)],
            f"{_COUNTERS}cache_read.input_tokens": [point(512, **_ANSWERED, **_TEXT)],
            f"{_COUNTERS}cache_write.input_tokens": [point(300, **_ANSWERED, **_TEXT)],
            f"{_COUNTERS}reasoning.output_tokens": [point(96, **_ANSWERED, **_TEXT)],
        }

    def test_the_first_chunk_and_the_gaps(self, cap: Capibara, capture: Capture) -> None:
        """The first chunk's delay is measured, and the mean time between chunks after it."""

        async def ask() -> None:
            async with cap.llm.chat(provider="openai", model="gpt-5-mini", streamed=True) as chat:
                for wait in (0.4, 0.1, 0.2, 0.3):
                    capture.clock.advance(wait)
                    chat.chunk()
                capture.clock.advance(5)

        asyncio.run(ask())

        attributes = typed(capture.attributes("chat gpt-5-mini"))
        assert attributes["gen_ai.response.time_to_first_chunk"] == "0.4"
        assert attributes["capibara6.llm.chunks"] == "4"
        assert metrics(capture)["gen_ai.client.inference.time_to_first_chunk"] == [point((1, 0.4), **_ASKED)]
        assert metrics(capture)["gen_ai.client.inference.time_per_output_chunk"] == [point((1, 0.2), **_ASKED)]
        assert metrics(capture)["gen_ai.client.inference.duration"] == [point((1, 6.0), **_ASKED)]

    def test_one_chunk_has_no_gap(self, cap: Capibara, capture: Capture) -> None:
        """With one chunk there is a delay, which may be nothing, but no time between chunks."""
        with cap.llm.chat(provider="openai", model="gpt-5-mini") as chat:
            chat.chunk()

        assert metrics(capture)["gen_ai.client.inference.time_to_first_chunk"] == [point((1, 0.0), **_ASKED)]
        assert "gen_ai.client.inference.time_per_output_chunk" not in capture.metric_names

    def test_without_chunks(self, cap: Capibara, capture: Capture) -> None:
        """A call that was not streamed has neither."""
        with cap.llm.chat(provider="openai", model="gpt-5-mini"):
            pass

        assert set(metrics(capture)) == {
            "capibara6.llm.calls",
            "capibara6.llm.calls.active",
            "gen_ai.client.inference.duration",
        }
        assert "capibara6.llm.chunks" not in capture.attributes("chat gpt-5-mini")

    def test_a_stream(self, cap: Capibara, capture: Capture) -> None:
        """A provider's stream is handed on; its chunks are noted, the reader's time is the call's too."""
        chat = cap.llm.chat(provider="openai", model="gpt-5-mini")

        def source() -> Iterator[str]:
            for word in ("a", "b", "c"):
                capture.clock.advance(0.5)
                yield word

        words = []
        for word in chat.stream(source()):
            assert cap.current() is None
            words.append(word)

        assert words == ["a", "b", "c"]
        assert metrics(capture)["gen_ai.client.inference.time_to_first_chunk"] == [point((1, 0.5), **_ASKED)]
        assert metrics(capture)["gen_ai.client.inference.time_per_output_chunk"] == [point((1, 0.5), **_ASKED)]

    def test_the_last_word_on_usage_counts(self, cap: Capibara, capture: Capture) -> None:
        """Providers repeat the usage with each chunk; only the last one is added."""
        with cap.llm.chat(provider="openai", model="gpt-5-mini") as chat:
            for tokens in (1, 2, 3):
                chat.usage(output_tokens=tokens, input_tokens=10)
            chat.usage(cached_tokens=4)

        assert {name: capture.value(_COUNTERS + name) for name in ("input_tokens", "output_tokens", "cache_read.input_tokens")} == {
            "input_tokens": 10, "output_tokens": 3, "cache_read.input_tokens": 4,
        }  # fmt: skip
        assert capture.value("gen_ai.client.inference.operation.output_tokens") == 1

    def test_retries_and_provider_errors(self, cap: Capibara, capture: Capture) -> None:
        """Retries are counted by reason, provider errors by class, also where the call succeeds in the end."""
        with cap.llm.chat(provider="openai", model="gpt-5-mini") as chat:
            chat.provider_error("503")
            chat.retried("503")
            chat.provider_error(TimeoutError())
            chat.retried("timeout")

        assert typed(capture.attributes("chat gpt-5-mini"))["capibara6.llm.retries"] == "2"
        assert "error.type" not in capture.attributes("chat gpt-5-mini")
        assert metrics(capture)["capibara6.llm.retries"] == [
            point(1, **_MODEL, capibara6__llm__retry__reason="503"),
            point(1, **_MODEL, capibara6__llm__retry__reason="timeout"),
        ]
        assert metrics(capture)["capibara6.llm.provider.errors"] == [
            point(1, **_MODEL, error__type="503"),
            point(1, **_MODEL, error__type="TimeoutError"),
        ]
        assert metrics(capture)["capibara6.llm.calls"] == [point(1, **_ASKED, **_OK)]

    def test_a_failure(self, cap: Capibara, capture: Capture) -> None:
        """A call that failed has its kind on span, count and duration, and is no longer active."""

        @cap.llm.chat(provider="openai", model="gpt-5-mini")
        def ask() -> None:
            raise ConnectionResetError("by peer")

        with pytest.raises(ConnectionResetError):
            ask()

        kind = {"error__type": "ConnectionResetError"}
        assert only_span(capture)[2] == "ERROR"
        assert metrics(capture) == {
            "capibara6.llm.calls": [point(1, **_ASKED, capibara6__outcome="error", **kind)],
            "capibara6.llm.calls.active": [point(0, **_ASKED)],
            "gen_ai.client.inference.duration": [point((1, 0.0), **_ASKED, **kind)],
        }

    def test_calls_of_a_decorated_function_do_not_share_state(self, cap: Capibara, capture: Capture) -> None:
        """Chunks, retries and tokens of one call are not those of the next."""

        @cap.llm.chat(provider="openai", model="gpt-5-mini")
        def ask(times: int) -> None:
            chat = cap.current()
            for _ in range(times):
                chat.chunk()  # type: ignore[union-attr]
                chat.retried("503")  # type: ignore[union-attr]

        ask(2)
        ask(1)
        ask(0)

        counts = [
            (span.attributes.get("capibara6.llm.chunks"), span.attributes.get("capibara6.llm.retries"))
            for span in capture.spans
            if span.attributes
        ]
        assert counts == [(2, 2), (1, 1), (None, None)]


class TestContent:
    """What users and models wrote."""

    def test_it_is_not_recorded_by_default(self, cap: Capibara, capture: Capture) -> None:
        """Neither question nor answer is on the span, in a log line or in a metric."""
        with cap.llm.chat(provider="openai", model="m", messages=[{"role": "user", "content": "MINE"}]) as chat:
            chat.answered(text="YOURS")

        assert not {"gen_ai.input.messages", "gen_ai.output.messages"} & set(capture.attributes("chat m"))
        assert not any("MINE" in line or "YOURS" in line for line in capture.lines)

    def test_it_is_recorded_where_that_is_on(self, cap: Capibara) -> None:
        """Messages are written in the conventions' form, as JSON, secrets masked."""
        with Capture(cap, capture_content=True) as capture:
            with cap.llm.chat(
                provider="openai",
                model="m",
                messages=[
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": 'I am bob@example.com,\nmy key:\nsk-abcdefghijklmnopqrstuvwx12 "é"'},
                    {"role": "tool"},
                ],
            ) as chat:
                chat.answered(text="Call +1, card 4111 1111 1111 1111")
            attributes = capture.attributes("chat m")

        assert json.loads(str(attributes["gen_ai.input.messages"])) == [
            {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
            {"role": "user", "parts": [{"type": "text", "content": 'I am [redacted],\nmy key:\n[redacted] "é"'}]},
            {"role": "tool", "parts": [{"type": "text", "content": ""}]},
        ]
        assert json.loads(str(attributes["gen_ai.output.messages"])) == [
            {"role": "assistant", "parts": [{"type": "text", "content": "Call +1, card [redacted]"}]}
        ]
        assert "é" in str(attributes["gen_ai.input.messages"])


class TestNames:
    """`gen_ai_metrics` chooses between the names before and after the conventions moved."""

    @pytest.mark.parametrize(
        ("choice", "durations", "tokens"),
        [
            (
                "latest",
                {"gen_ai.client.inference.duration"},
                {
                    "gen_ai.client.inference.operation.input_tokens",
                    "gen_ai.client.inference.operation.output_tokens",
                    f"{_COUNTERS}input_tokens",
                    f"{_COUNTERS}output_tokens",
                    f"{_COUNTERS}cache_read.input_tokens",
                },
            ),
            ("legacy", {"gen_ai.client.operation.duration"}, {"gen_ai.client.token.usage"}),
            (
                "both",
                {"gen_ai.client.inference.duration", "gen_ai.client.operation.duration"},
                {
                    "gen_ai.client.token.usage",
                    "gen_ai.client.inference.operation.input_tokens",
                    "gen_ai.client.inference.operation.output_tokens",
                    f"{_COUNTERS}input_tokens",
                    f"{_COUNTERS}output_tokens",
                    f"{_COUNTERS}cache_read.input_tokens",
                },
            ),
        ],
    )
    def test_of_a_chat(self, choice: GenAiMetrics, durations: set[str], tokens: set[str], cap: Capibara) -> None:
        """Each choice emits its own names and no other; legacy usage is told apart by the type of token."""
        with Capture(cap, gen_ai_metrics=choice) as capture:
            cap.llm.record_chat("openai", "gpt-5-mini", 2, input_tokens=5, output_tokens=7, cached_tokens=3)
            found = metrics(capture)

        assert {name for name in found if name.startswith("gen_ai.")} == durations | tokens
        assert all(found[name] == [point((1, 2.0), **_ASKED)] for name in durations)
        if "gen_ai.client.token.usage" in tokens:
            assert found["gen_ai.client.token.usage"] == [
                point((1, 5.0), **_ASKED, gen_ai__token__type="input"),
                point((1, 7.0), **_ASKED, gen_ai__token__type="output"),
            ]

    @pytest.mark.parametrize(
        ("choice", "tokens"),
        [
            ("latest", {f"{_COUNTERS}input_tokens"}),
            ("legacy", {"gen_ai.client.token.usage"}),
            ("both", {f"{_COUNTERS}input_tokens", "gen_ai.client.token.usage"}),
        ],
    )
    def test_of_an_embedding(self, choice: GenAiMetrics, tokens: set[str], cap: Capibara) -> None:
        """The duration of an embedding has one name, its tokens have the chosen ones."""
        with Capture(cap, gen_ai_metrics=choice) as capture:
            cap.llm.record_embedding("openai", "e-3", 0.5, input_tokens=9, inputs=2)
            found = metrics(capture)

        assert {name for name in found if name.startswith("gen_ai.")} == tokens | {"gen_ai.client.operation.duration"}
        assert found["gen_ai.client.operation.duration"] == [point((1, 0.5), **_EMBEDDED)]
        if choice != "legacy":
            assert found[f"{_COUNTERS}input_tokens"] == [point(9, **_EMBEDDED, **_TEXT)]
        if choice != "latest":
            assert found["gen_ai.client.token.usage"] == [point((1, 9.0), **_EMBEDDED, gen_ai__token__type="input")]


class TestEmbed:
    """`cap.llm.embed(…)`."""

    def test_as_a_block(self, cap: Capibara, capture: Capture) -> None:
        """An embedding call is a client span, a count and a duration; told twice, the last usage counts."""
        with cap.llm.embed(
            provider="openai", model="e-3", inputs=16, server_address="localhost", server_port=8080
        ) as embedding:
            capture.clock.advance(0.25)
            embedding.usage(input_tokens=5)
            embedding.usage(input_tokens=9)
            embedding.answered(model="e-3-large")
            embedding.retried("429")

        assert only_span(capture) == (
            "embeddings e-3",
            "CLIENT",
            "UNSET",
            typed(
                {
                    "gen_ai.operation.name": "embeddings",
                    "gen_ai.provider.name": "openai",
                    "gen_ai.request.model": "e-3",
                    "gen_ai.response.model": "e-3-large",
                    "gen_ai.usage.input_tokens": 9,
                    "capibara6.llm.inputs": 16,
                    "capibara6.llm.retries": 1,
                    "server.address": "localhost",
                    "server.port": 8080,
                    "capibara6.outcome": "success",
                }
            ),
        )
        answered = {**_EMBEDDED, "gen_ai__response__model": "e-3-large"}
        assert metrics(capture) == {
            "capibara6.llm.calls": [point(1, **_EMBEDDED, **_OK)],
            "capibara6.llm.calls.active": [point(0, **_EMBEDDED)],
            "capibara6.llm.retries": [
                point(
                    1,
                    gen_ai__provider__name="openai",
                    gen_ai__request__model="e-3",
                    capibara6__llm__retry__reason="429",
                )
            ],
            "gen_ai.client.operation.duration": [point((1, 0.25), **answered)],
            f"{_COUNTERS}input_tokens": [point(9, **answered, **_TEXT)],
        }


class TestRecorded:
    """`cap.llm.record_chat(…)` and `cap.llm.record_embedding(…)`."""

    def test_a_chat(self, cap: Capibara, capture: Capture) -> None:
        """What was measured elsewhere gives the same span and metrics."""
        cap.llm.record_chat(
            "openai",
            "gpt-5-mini",
            1.5,
            input_tokens=8,
            output_tokens=4,
            cached_tokens=2,
            cache_write_tokens=1,
            reasoning_tokens=3,
            finish_reason="length",
        )

        attributes = typed(capture.attributes("chat gpt-5-mini"))
        assert attributes["gen_ai.usage.input_tokens"] == "8"
        assert attributes["gen_ai.response.finish_reasons"] == "('length',)"
        assert {name: capture.value(name) for name in capture.metric_names if name.startswith(_COUNTERS)} == {
            f"{_COUNTERS}input_tokens": 8,
            f"{_COUNTERS}output_tokens": 4,
            f"{_COUNTERS}cache_read.input_tokens": 2,
            f"{_COUNTERS}cache_write.input_tokens": 1,
            f"{_COUNTERS}reasoning.output_tokens": 3,
        }
        assert metrics(capture)["capibara6.llm.finishes"] == [
            point(1, **_MODEL, capibara6__llm__finish_reason="length")
        ]

    @pytest.mark.parametrize(
        ("outcome", "error", "expected", "kind"),
        [
            ("", "", "success", None),
            ("timeout", "", "timeout", "timeout"),
            ("", "rate_limited", "error", "rate_limited"),
            ("cancelled", "", "cancelled", None),
        ],
    )
    def test_outcomes(
        self, outcome: str, error: str, expected: str, kind: str | None, cap: Capibara, capture: Capture
    ) -> None:
        """Outcome and kind are as told, for chats and embeddings."""
        cap.llm.record_chat("openai", "gpt-5-mini", 1, outcome=outcome, error=error)
        cap.llm.record_embedding("openai", "e-3", 1, outcome=outcome, error=error)

        how = {"capibara6__outcome": expected, **({"error__type": kind} if kind else {})}
        assert metrics(capture)["capibara6.llm.calls"] == [point(1, **_ASKED, **how), point(1, **_EMBEDDED, **how)]
