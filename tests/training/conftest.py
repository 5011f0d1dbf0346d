"""Without the `train` extra nothing here is collected, and one line at the end says so; in CI that is a failure."""

from __future__ import annotations

import importlib.util
import os

import pytest

_LACKS_TORCH = importlib.util.find_spec("torch") is None
if _LACKS_TORCH and os.environ.get("KNOWNFACE_TEST_STRICT") == "1":
    raise pytest.UsageError("tests/training needs torch: pip install -e .[train]")

collect_ignore_glob = ["**/test_*.py"] if _LACKS_TORCH else []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _LACKS_TORCH:
        terminalreporter.write_line("tests/training was left out: torch is not installed (pip install -e .[train])")
