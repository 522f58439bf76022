"""The pipeline over the official OpenTelemetry SDK: `pipeline="sdk"`, and what an app's own providers of it need."""
