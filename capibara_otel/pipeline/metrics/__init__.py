"""The own implementation of OpenTelemetry's metrics API: instruments, series, views, readers."""
