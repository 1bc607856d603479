"""Starts, stops, resets and describes the Nova lab; see ../README.rst.

Runs in the lab's own virtual environment, through the script ``../lab``. Only ``driver`` and
``computes`` live inside Nova's processes; nothing else here imports Nova.
"""
