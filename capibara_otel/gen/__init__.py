"""Writes every file that the registry decides: `make gen` writes, `make check` compares."""
