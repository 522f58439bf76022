"""Spans: an implementation of OpenTelemetry's tracing API of our own."""
