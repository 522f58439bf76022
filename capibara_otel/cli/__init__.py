"""The command line, one file per group of commands."""

from __future__ import annotations

from capibara_otel.cli.app import app, main

__all__ = ["app", "main"]
