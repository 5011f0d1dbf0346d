"""What scripts/setup says while pip works: how far it is, in a line, and pip's own words only where it fails."""

from __future__ import annotations

import io
import subprocess
import sys

from scripts.pip_progress import EVERY_S, Teller, Watch, follow
from tests.doc_blocks import REPOSITORY


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_each_step_is_named_with_its_count() -> None:
    installed = [3]
    watch = Watch(lambda: installed[0])
    for line in ("Obtaining file:///home/knownface", "Collecting numpy<3,>=2.0 (from knownface==0.1.0)"):
        watch.hear(line)
    assert watch.words() == "looking for packages: 2 found"
    watch.hear("  Downloading numpy-2.4.0-cp311-cp311-manylinux_2_27_x86_64.whl.metadata (62 kB)")
    assert watch.words() == "looking for packages: 2 found"
    watch.hear("  Downloading https://index.example/files/numpy-2.4.0-cp311-cp311-manylinux.whl (16.8 MB)")
    assert watch.words() == "looking for packages: 2 found, 1 fetched (numpy, 16.8 MB)"
    watch.hear("Using cached onnx-1.20.0-cp311.whl (18 MB)")
    assert watch.words() == "looking for packages: 2 found, 2 fetched (onnx, 18 MB)"
    watch.hear("Installing collected packages: pytz, numpy, onnx")
    assert watch.words() == "installing: 0 of 3 packages"
    installed[0] = 5
    assert watch.words() == "installing: 2 of 3 packages"
    installed[0] = 40
    assert watch.words() == "installing: 3 of 3 packages"


def test_a_log_gets_a_line_now_and_then_and_a_terminal_one_that_changes() -> None:
    now = [100.0]
    log, terminal = io.StringIO(), Terminal()
    tellers = [Teller(log, lambda: now[0]), Teller(terminal, lambda: now[0])]
    for second in range(12):
        now[0] = 100.0 + second
        for teller in tellers:
            teller.tell(f"step {second}")
    for teller in tellers:
        teller.end("installed")
    assert log.getvalue().splitlines() == [
        f"setup: step {EVERY_S:.0f}, 5 s",
        "setup: step 10, 10 s",
        "setup: installed in 11 s",
    ]
    assert terminal.getvalue().count("\n") == 1
    assert terminal.getvalue().endswith("setup: installed in 11 s\n")


def test_it_follows_a_program_to_its_end() -> None:
    program = "import sys; print('Collecting a'); print('no such package', file=sys.stderr); sys.exit(7)"
    watch = Watch(lambda: 0)
    code, said = follow([sys.executable, "-c", program], watch, Teller(io.StringIO()))
    assert code == 7
    assert sorted(said) == ["Collecting a", "no such package"]
    assert watch.words() == "looking for packages: 1 found"


def test_a_failure_shows_what_pip_said() -> None:
    script, package = str(REPOSITORY / "scripts/pip_progress.py"), "no-such-package-of-knownface"
    done = subprocess.run(
        [sys.executable, script, "--no-index", package],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert "setup: failed in" in done.stderr
    assert "No matching distribution found for no-such-package-of-knownface" in done.stderr
