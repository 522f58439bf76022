"""The model server as uvicorn starts it."""

from __future__ import annotations

import os

from fastapi import FastAPI

from capibara_otel.demo.backend.settings import PREFIX
from capibara_otel.demo.engines.model_profiles import FaultShares, Incident
from capibara_otel.demo.engines.model_server import create_model_server


def create_app() -> FastAPI:
    """Return the server; a short incident of one model makes the router fall back."""
    incident = Incident("capibara6-20b", from_s=9, until_s=12, faults=FaultShares(unavailable=0.8))
    return create_model_server(int(os.environ.get(f"{PREFIX}SEED", "7")), incidents=[incident])
