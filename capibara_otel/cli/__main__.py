"""`python -m capibara_otel.cli`: the same as `capibara-otel`."""

from capibara_otel.cli import main

main()
