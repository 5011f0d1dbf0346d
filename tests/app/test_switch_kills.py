"""A small version of `scripts/bench switch`: killed, searched and enrolled into while the model changes."""

from __future__ import annotations

from pathlib import Path

import pytest
import switch_harness


@pytest.mark.slow
def test_nobody_is_lost_and_nothing_is_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KNOWNFACE_HOME", str(tmp_path / "home"))
    seen = switch_harness.run(tmp_path / "home", people=200, each=2, kills=2, seed="test")
    assert seen["faults"] == []
    assert seen["searches_mixed_or_wrong"] == 0
    assert seen["rollback_identical"]
    assert sum(seen["killed_while"].values()) == 2
    assert set(seen["searches_by_model"]) == {"arcface.old", "arcface.new"}, "answered before and after"
    assert seen["enrolled_meanwhile"] > 0
