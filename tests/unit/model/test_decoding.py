"""Types are known to msgspec before threads decode them: else the process may end by a segmentation fault."""

from __future__ import annotations

import subprocess
import sys

# in a process of its own, as a type is learned once; the threads change places as often as they can
RACE = """
import sys, threading
import msgspec
from vmpath_service.model import plan, records, snapshot
from vmpath_service.model.decoding import learn_structs

learn_structs()
sys.setswitchinterval(1e-6)
move = plan.Migration(1, "vm", "a", "b")
values = [
    plan.Plan("found", {}, "", migrations=(move, move), host_steps=(plan.HostStep(2, "a", "disable"),)),
    snapshot.Snapshot((snapshot.Host("a", {"VCPU": snapshot.Inventory(4)}),), (snapshot.Instance("vm", "a", {}),)),
    records.Rearrangement("r", records.Request("drain"), records.RearrangementState.RUNNING, 1.0, 2.0),
]
texts = [(msgspec.json.encode(value), type(value)) for value in values]
together = threading.Barrier(12)

def decode():
    for text, kind in texts:
        together.wait()
        msgspec.json.decode(text, type=kind)

threads = [threading.Thread(target=decode) for _ in range(12)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_threads_may_decode_the_same_types_at_once() -> None:
    done = subprocess.run([sys.executable, "-c", RACE], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
