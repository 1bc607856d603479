"""Which tests of the lab are left out of a normal run: ``tools/test --slow`` runs them too."""

from __future__ import annotations

import os

import pytest

slow = pytest.mark.skipif(not os.environ.get("VMPATH_LAB_SLOW"), reason="VMPATH_LAB_SLOW is not set")
