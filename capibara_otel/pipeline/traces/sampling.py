"""Which traces are recorded, decided at a span's start.

All samplers that the specification names are one rule with two numbers, so that a decision costs no call.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

logger: Final = logging.getLogger(__name__)

RATIO_MASK: Final = (1 << 64) - 1
"""The part of a trace id that a share is taken of: the same in every service, so that all decide alike."""


def ratio_bound(ratio: float) -> int:
    """Return below which number the lower 64 bits of a trace id are within a share, as the official SDK does.

    Args:
        ratio: the share, 0 to 1.

    Raises:
        ValueError: it is not between 0 and 1.
    """
    if not 0.0 <= ratio <= 1.0:
        raise ValueError(f"a share of traces lies between 0 and 1, not at {ratio}")
    return round(ratio * (RATIO_MASK + 1))


@dataclass(frozen=True, slots=True)
class Sampling:
    """A rule for which traces are recorded.

    Args:
        bound: those whose lower 64 bits are below are; see `ratio_bound`.
        by_parent: a span with a parent is recorded if its parent is, whatever its id.
        description: what the specification calls the rule.
    """

    bound: int = RATIO_MASK + 1
    by_parent: bool = True
    description: str = "parentbased_always_on"

    @classmethod
    def named(cls, name: str, ratio: float = 1.0) -> Sampling:
        """Return the sampler of that name.

        Args:
            name: a built-in value of `OTEL_TRACES_SAMPLER`, in lower case.
            ratio: the share for `traceidratio` and `parentbased_traceidratio`, 0 to 1.

        Raises:
            KeyError: there is none of that name.
            ValueError: the ratio is not between 0 and 1.
        """
        kind = name.removeprefix("parentbased_")
        share = {"always_on": 1.0, "always_off": 0.0, "traceidratio": ratio}[kind]
        return cls(ratio_bound(share), kind != name, name)

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Sampling:
        """Read it as the OpenTelemetry SDK does: what cannot be understood is said and is the default.

        Args:
            environ: the environment. Samplers that are installed plugins are not looked for.
        """
        name = environ.get("OTEL_TRACES_SAMPLER", "").strip().lower() or "parentbased_always_on"
        try:
            plain = cls.named(name)
            if not name.endswith("traceidratio"):
                return plain
            return cls.named(name, float(environ.get("OTEL_TRACES_SAMPLER_ARG", "")))
        except KeyError:
            logger.warning("OTEL_TRACES_SAMPLER names no sampler: %s; parentbased_always_on is used", name)
            return cls()
        except ValueError:
            logger.warning("OTEL_TRACES_SAMPLER_ARG is no share between 0 and 1; all traces are recorded")
            return cls.named(name)

    def get_description(self) -> str:
        """Return what the specification calls the rule."""
        return self.description
