"""Log records: an implementation of OpenTelemetry's logs API of our own."""
