"""`knownface runs show` of photos that were brought along: their numbers and names, not where they lay meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.runs.ledger import Ledger
from tests.commands import runner
from tests.made_runs import made_run


def test_photos_that_were_brought_along_are_called_as_they_were(
    capsys: pytest.CaptureFixture[str], isolated_home: Path
) -> None:
    cli = runner(capsys)
    sent = isolated_home.absolute() / "runs" / "summer" / "job" / "input"
    broken = f"{sent}/00002 d.jpg"
    photos = {f"{sent}/00001 c.jpg": ["cy"], "/p/a.jpg": ["ada"]}
    made_run(isolated_home, "summer", photos, failed={broken: ("photo_damaged", "is truncated")})
    with Ledger(isolated_home, "summer") as ledger:
        ledger.set_meta(roots=[str(sent), "/p"])
    shown = cli("runs", "show", "summer")
    assert shown.code == 0
    assert str(sent) not in shown.out + shown.err
    assert "00001 c.jpg" in shown.out
    assert "/p/a.jpg" in shown.out
    assert "00002 d.jpg: is truncated" in shown.err
    assert cli("--json", "runs", "show", "summer").document["roots"] == ["/p"]
