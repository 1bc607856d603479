"""The oslo.messaging server of the engine and its client."""
