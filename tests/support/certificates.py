"""Certificates for tests, made by the openssl program; where there is none the tests that need them are skipped."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.receiver import Tls


def make(folder: Path, name: str) -> Tls:
    """Make a certificate of its own authority for this machine.

    Args:
        folder: where its files go.
        name: of the files.
    """
    if shutil.which("openssl") is None:
        pytest.skip("no openssl program to make certificates with")
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return Tls(certificate, key)
