"""What the demo's agent backend is built of: real, uninstrumented building blocks.

Nothing here knows of telemetry. Each module stands alone but for `text` (how text is cut into words, tokens and
sentences), which retrieval, routing, context engineering and the model server share.
"""
