"""Kill -9 in the middle of enrol, remove, merge, save, backup and restore; `scripts/bench crash` does many more."""

from __future__ import annotations

import pytest
from crash_child import one_kill


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_and_nobody_removed_is_found(tmp_path):
    state, saved = {}, None
    for number in range(6):
        outcome = one_kill(tmp_path / "gallery", f"test{number}", state, saved)
        assert outcome.faults == [], outcome
        state, saved = outcome.state, outcome.saved
