"""What the backend is told by its environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PREFIX: Final = "DEMO_"


@dataclass(frozen=True, slots=True)
class BackendSettings:
    """Settings of one backend process."""

    model_url: str
    """Base address of the OpenAI-compatible server, with `/v1`."""
    seed: int = 7
    docs: Path | None = None
    """A user's own texts, beside Python's documentation."""
    repository: Path | None = None
    """A checkout whose Markdown files are indexed too."""

    @classmethod
    def from_environment(cls) -> BackendSettings:
        """Read them from `DEMO_…`.

        Raises:
            KeyError: the model server's address is missing.
        """
        docs, repository = os.environ.get(f"{PREFIX}DOCS"), os.environ.get(f"{PREFIX}REPOSITORY")
        return cls(
            model_url=os.environ[f"{PREFIX}MODEL_URL"],
            seed=int(os.environ.get(f"{PREFIX}SEED", "7")),
            docs=Path(docs) if docs else None,
            repository=Path(repository) if repository else None,
        )

    def as_environment(self) -> dict[str, str]:
        """Return what `from_environment` reads."""
        values = {"MODEL_URL": self.model_url, "SEED": str(self.seed), "DOCS": self.docs, "REPOSITORY": self.repository}
        return {f"{PREFIX}{name}": str(value) for name, value in values.items() if value is not None}
