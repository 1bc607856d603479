"""What vmpath relies on in a cloud, written once for the simulated cloud and for genuine Nova.

A test module imports the contract classes and gives a fixture ``cloud``: a ``CloudUnderTest``. Where the two
differ, the simulated cloud is wrong.
"""

import pytest

PARTS = (
    "hearing",
    "isolation",
    "life",
    "live_migration",
    "mishaps",
    "notifications",
    "port",
    "reading",
    "shares",
    "statuses",
    "under_test",
    "zones",
)

for part in PARTS:
    pytest.register_assert_rewrite(f"{__name__}.{part}")
