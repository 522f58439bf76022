"""Observes apps that never heard of this package: what OpenTelemetry's auto-instrumentation finds by entry points.

`capibara-otel run COMMAND` starts a program with that auto-instrumentation. In every Python process of the program it
then loads, in this order, the distro, the configurator and each installed instrumentor.
"""

from __future__ import annotations

from capibara_otel.zero_code.configurator import CapibaraConfigurator
from capibara_otel.zero_code.distro import CapibaraDistro
from capibara_otel.zero_code.instrumentor import CapibaraFastAPIInstrumentor

__all__ = ["CapibaraConfigurator", "CapibaraDistro", "CapibaraFastAPIInstrumentor"]
