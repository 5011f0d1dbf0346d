"""The checker of the documents finds what is wrong in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.doc_blocks import blocks, lines
from tests.doc_commands import fault_in_a_sentence, fault_of

PAGE = """# Title

Words.

<!-- before: knownface enrol Ada ada.jpg -->
<!-- not run: it would
     take a year -->
```sh
knownface verify a.jpg b.jpg   # yes
```

!!! note
    Inside:

    ```toml title="settings.toml"
    workers = 1
    ```

<!-- not run: of nothing, words stand between -->

Words.

```text
plain
```
"""


def faults(text: str) -> list[str]:
    return [fault_of(line.words) for line in lines(text)]


@pytest.mark.parametrize(
    "line",
    [
        "knownface verify a.jpg b.jpg",
        ".venv/bin/knownface identify ~/Pictures --json --run mine",
        'knownface --gallery g enrol "Ada Lovelace" ada.jpg > out.json',
        "KNOWNFACE_HOME=x knownface models list",
        "torchrun --nproc-per-node 8 -m app.cli train first.toml",
        "pip install 'knownface[video,api]'",
        "curl -F photos=@ada.jpg http://127.0.0.1:8600/v1/subjects/Ada/samples",
        "scripts/bench search",
        "scripts/test tests/docs -k faults",
    ],
)
def test_what_can_be_typed(line: str) -> None:
    assert faults(line) == [""]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("knownface recognise a.jpg", "there is no command"),
        ("knownface gallery | knownface gallery delete Ada", "there is no command"),
        ("knownface verify a.jpg", "Missing argument"),
        ("knownface verify a.jpg b.jpg c.jpg", "unexpected extra argument"),
        ("knownface verify a.jpg b.jpg --strict", "No such option"),
        ("knownface calibrate --fmr often", "should be a valid number"),
        ("pip install 'knownface[vidio]'", "no extra vidio"),
        ("curl http://127.0.0.1:8600/v1/people", "no GET /v1/people"),
        ("curl -X PATCH http://127.0.0.1:8600/v1/identify", "no PATCH"),
        ("scripts/nothing", "is not there"),
        ("scripts/bench nothing", "no benchmark"),
        ("scripts/test tests/nothing", "is not there"),
        ("frobnicate", "no test knows the program"),
    ],
)
def test_what_cannot_be_typed(line: str, said: str) -> None:
    assert said in faults(line)[-1]


def test_commands_in_sentences() -> None:
    assert fault_in_a_sentence("knownface identify PATH... --run NAME [--out DIR]") == ""
    assert fault_in_a_sentence("knownface gallery") == ""
    assert "no command `delete`" in fault_in_a_sentence("knownface gallery delete")
    assert "no option --ran" in fault_in_a_sentence("knownface identify DIR --ran NAME")


def test_blocks_and_what_is_said_of_them(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text(PAGE, encoding="utf-8")
    first, second, third = blocks(file)
    assert (first.language, first.line, first.before) == ("sh", 8, ["knownface enrol Ada ada.jpg"])
    assert first.not_run.startswith("it would")
    assert (second.language, second.title, second.text, second.line) == ("toml", "settings.toml", "workers = 1\n", 15)
    assert (third.language, third.not_run) == ("text", "")
    file.write_text("Words.\n\n    knownface verify a b\n", encoding="utf-8")
    with pytest.raises(ValueError, match="an indented block"):
        blocks(file)


def test_command_lines_are_split_as_a_shell_does() -> None:
    text = "one 'a | b' \\\n  two # three\n\n# four\nfive && six > seven; eight\n"
    assert [line.words for line in lines(text)] == [["one", "a | b", "two"], ["five"], ["six", ">", "seven"], ["eight"]]
