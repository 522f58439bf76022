"""`cap.context(…)`: who work is for."""

from __future__ import annotations

from typing import Any

import pytest

from capibara_otel.sdk import Capibara
from capibara_otel.testing import Capture
from tests.support.calls import Hostile
from tests.support.emitted import metrics, typed


class TestContext:
    """`cap.context(…)`."""

    def test_what_it_takes(self, cap: Capibara, capture: Capture) -> None:
        """Texts and whole numbers name people and requests; they are on the spans beneath and on no metric."""
        with cap.context(user_id=7, session_id="s", tenant="acme", request_id="r", conversation_id="c", agent="a"):
            cap.rag.record_search("docs", 1)

        attributes = typed(capture.attributes("rag search docs"))
        assert {
            "user.id": "'7'",
            "session.id": "'s'",
            "capibara6.tenant.id": "'acme'",
            "capibara6.request.id": "'r'",
            "gen_ai.conversation.id": "'c'",
            "gen_ai.agent.name": "'a'",
        }.items() <= attributes.items()
        assert all(
            set(labels) <= {"capibara6.rag.index", "capibara6.outcome"}
            for points in metrics(capture).values()
            for labels, _ in points
        )

    def test_inner_blocks_add_to_outer_ones(self, cap: Capibara, capture: Capture) -> None:
        """An inner block overrides what it names and keeps the rest; after it the outer one holds again."""
        with cap.context(user_id="u", tenant="acme"):
            with cap.context(user_id="v"):
                cap.rag.record_search("inner", 1)
            cap.rag.record_search("outer", 1)
        cap.rag.record_search("none", 1)

        seen = {
            span.name.split()[-1]: (attributes.get("user.id"), attributes.get("capibara6.tenant.id"))
            for span in capture.spans
            for attributes in [span.attributes or {}]
        }
        assert seen == {"inner": ("v", "acme"), "outer": ("u", "acme"), "none": (None, None)}

    @pytest.mark.parametrize("value", [True, 1.5, b"u", object(), ["u"], Hostile()])
    @pytest.mark.usefixtures("quiet")
    def test_wrong_values(self, value: Any, cap: Capibara, capture: Capture, caplog: pytest.LogCaptureFixture) -> None:
        """What names nobody is left out, said and counted; the block runs."""
        with cap.context(user_id=value, tenant="acme"):
            cap.rag.record_search("docs", 1)

        attributes = capture.attributes("rag search docs")
        assert "user.id" not in attributes
        assert attributes["capibara6.tenant.id"] == "acme"
        assert caplog.records[0].getMessage().startswith("capibara_otel: cap.context(user_id=")
        assert f" expects str, got {type(value).__name__};" in caplog.records[0].getMessage()
        assert capture.value("capibara6.telemetry.invalid", {"capibara6.telemetry.call": "context"}) == 1
