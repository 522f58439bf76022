"""OTLP by hand: telemetry becomes protobuf bytes here, and leaves over HTTP or gRPC, or waits on disk.

What the bytes mean is what the official exporters' bytes mean. The messages are written field by field instead of
being built as objects first, and what repeats (keys, short texts, scopes, resources) is written once.
"""
