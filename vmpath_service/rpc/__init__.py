"""Between the API and the engine: oslo.messaging, in one process or across machines."""

TOPIC = "vmpath-engine"
VERSION = "1.0"
