"""One thread for torch. Without the `train` extra nothing here is collected: a line says so, in CI it is a failure."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator

import pytest

_LACKS_TORCH = importlib.util.find_spec("torch") is None
if _LACKS_TORCH and os.environ.get("KNOWNFACE_TEST_STRICT") == "1":
    raise pytest.UsageError("tests/training needs torch: pip install -e .[train]")

collect_ignore_glob = ["**/test_*.py"] if _LACKS_TORCH else []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _LACKS_TORCH:
        terminalreporter.write_line("tests/training was left out: torch is not installed (pip install -e .[train])")


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    """What the tests compute is tiny, and the machine may be busy."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
