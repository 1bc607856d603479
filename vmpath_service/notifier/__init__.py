"""Tells the world what happened: puts messages together, and sends them to a broker (oslo.messaging)."""
