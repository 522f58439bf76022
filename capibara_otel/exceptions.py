"""The errors this package raises on purpose.

::

    CapibaraError
    ├── FaultsError          a list of faults, said all at once
    │   ├── ConfigurationError   settings are wrong
    │   └── RegistryError        a registry file cannot be read as one
    ├── MissingExtraError    an optional dependency is not installed (also an ImportError)
    └── UsageError           a helper was called wrongly; raised only where tests run, see `_safety`

They stand apart from the code that raises them, so that every layer can import them.
"""

from __future__ import annotations

from collections.abc import Sequence


class CapibaraError(Exception):
    """Base of every error this package raises on purpose."""


class FaultsError(CapibaraError):
    """An error that lists every fault it found, one a line."""

    subject = "the input"

    def __init__(self, faults: Sequence[str], *, where: str = "") -> None:
        self.faults = tuple(faults)
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        head = f"{where or self.subject}: {count}"
        super().__init__("\n".join([head, *(f"  {fault}" for fault in self.faults)]))


class ConfigurationError(FaultsError, ValueError):
    """Settings are wrong; nothing was started.

    Args:
        faults: one sentence each: the setting, the value given, what is allowed.
        where: the place they come from, for the first line.
    """

    subject = "capibara_otel configuration"


class RegistryError(FaultsError):
    """A registry file is not readable as one.

    Args:
        faults: one sentence each: file, line or name, what is wrong.
        where: the place they come from, for the first line.
    """

    subject = "capibara_otel registry"


class MissingExtraError(CapibaraError, ImportError):
    """An optional dependency is missing.

    Args:
        what: what was asked for.
        extra: the extra that installs it.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an optional dependency: pip install 'capibara-otel[{extra}]'")


class UsageError(CapibaraError, TypeError):
    """A helper was called with a value it cannot record."""
