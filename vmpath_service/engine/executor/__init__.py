"""The executor: a pure state machine that walks a plan. Events in, instructions out; no clock, no input, no output.

``machine.wanted`` says what has to be read, ``machine.advance`` takes an event and answers with the next state and
what is to be done. The loop in ``engine.walk`` reads, does, and reports back.
"""
