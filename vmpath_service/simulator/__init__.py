"""A simulated cloud that speaks Keystone, Nova and Placement over HTTP.

In a test: ``SimulatedCloud(snapshot, clock=…, settings=…)`` of ``simulator.cloud``; as a program:
``vmpath-simulator serve --snapshot FILE --clouds-yaml OUT``. Any snapshot file is its start. What
it does not know it answers with 404, logs, and counts in ``unknown_requests``.

The core (``world`` and the modules around it) is plain state driven by a clock; ``web`` is the
HTTP side, one module for each noun. Metadata of a server steer its migrations:

``lab_seconds``, ``lab_bw`` (MiB/s), ``lab_dirty`` (MiB/s), ``lab_tick`` (s), ``lab_fail_at``
    Length of the copying, its rate, the guest's dirtying, how often figures are refreshed, and
    the share of the copying after which ``mid`` and ``raise`` strike.
``lab_fail``
    ``check_dest``, ``check_source``, ``pre``, ``mid``, ``raise`` or ``post_dest``: where it
    fails. These and those above mean the same in the laboratory with genuine Nova.
``simulated_abort``
    ``error``: an abort ends cleanly and turns into ERROR some moments later, as with libvirt.

Devices (VGPU, CUSTOM_PCI_*) are on providers nested in a host's, and hosts may share a disk
(``providers``).

``--chaos RATE --seed N`` (``SimulatedCloud(chaos=…)``, ``POST /simulator/chaos``) lets things go wrong
by chance, the same for the same seed: requests, migrations, computes, and what others do
(``chaos.Chaos``).

``POST /simulator/faults``, ``PUT /simulator/computes/{host}`` and ``/simulator/cells/{cell}``
disturb a running one from outside, ``GET /simulator`` tells what it was asked (``web.control``).
"""
