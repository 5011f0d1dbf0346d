"""What README, CONTRIBUTING and docs/ tell people to type can be typed, and does what they say."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from app.access.oidc import Provider
from app.policy import Policy
from pipeline.config import Settings, parse_toml
from pipeline.errors import ConfigError
from tests.doc_blocks import REPOSITORY, Block, blocks, lines, pages, spoken_of
from tests.doc_commands import command_of, fault_in_a_sentence, fault_of, knownface_of
from tests.doc_world import NOT_RUN, World, is_of, make_world

#: A reader's, and the model that reads it. Training's are in tests/training/test_doc_training.py.
FILES = {"settings.toml": Settings, "policy.toml": Policy, "oidc.toml": Provider}
FOR_TRAINING = {"train.toml", "first.toml"}
#: What nothing here can run or read.
PROSE = {"text", "nginx", "sql", "mermaid", "ini"}
#: A command of ours in a shell script, up to where the next begins.
OURS = re.compile(r"\bknownface (?!-)[^\n|&;>#]*")
PAGES = {str(page.relative_to(REPOSITORY)): page for page in pages()}


def every_block(*languages: str) -> list[Block]:
    return [block for page in PAGES.values() for block in blocks(page) if block.language in languages]


def test_every_block_says_a_language_that_is_looked_at() -> None:
    found = [block for page in PAGES.values() for block in blocks(page)]
    assert len(found) > 40
    looked_at = PROSE | {"sh", "bash", "python", "toml", "json"}
    assert [f"{block.place}: {block.language}" for block in found if block.language not in looked_at] == []


def test_every_command_line_can_be_typed() -> None:
    wrong = [
        f"{block.place}: {line.text.strip()}: {fault}"
        for block in every_block("sh")
        for line in [*lines(block.text), *lines("\n".join(block.before))]
        if (fault := fault_of(line.words))
    ]
    assert wrong == []


def test_the_commands_of_a_script_can_be_typed() -> None:
    """A script (```bash) has conditions and substitutions: what it calls of ours is parsed, one command at a time."""
    called = [(block, call) for block in every_block("bash") for call in OURS.findall(block.text)]
    assert called
    wrong = [f"{block.place}: {call}: {fault}" for block, call in called if (fault := fault_of(shlex.split(call)))]
    assert wrong == []


def test_every_command_in_a_sentence_is_there() -> None:
    wrong = []
    for name, page in PAGES.items():
        for code in spoken_of(page):
            fault = ""
            if code.startswith("knownface "):
                fault = fault_in_a_sentence(code)
            elif code.startswith(("scripts/", ".ci/")) and " " in code:
                fault = fault_of(code.split())
            if fault:
                wrong.append(f"{name}: `{code}`: {fault}")
    assert wrong == []


_PATH = re.compile(r"(app|data|docs|pipeline|scripts|tests|training|weights|\.ci|\.github)/[\w./-]+")


def test_every_file_in_a_sentence_is_there() -> None:
    gone = [
        f"{name}: {code}"
        for name, page in PAGES.items()
        for code in spoken_of(page)
        if _PATH.fullmatch(code) and not re.search("[A-Z]{3}", code.removesuffix("README.md"))
        if not (REPOSITORY / code).exists()
    ]
    assert gone == []


def test_no_commands_hide_in_a_block_of_text() -> None:
    hidden = []
    for block in every_block(*PROSE):
        for line in block.text.splitlines():
            words = line.split("#")[0].split()
            if words[:1] == ["knownface"] and command_of(words[1:])[0]:
                hidden.append(f"{block.place}: {line}")
    assert hidden == []


def test_what_is_not_run_exists_and_is_spoken_of() -> None:
    said = [knownface_of(line.words) or [] for block in every_block("sh") for line in lines(block.text)]
    assert [words for words in NOT_RUN if not any(is_of(words, line) for line in said)] == []


@pytest.mark.parametrize("block", every_block("toml", "json"), ids=lambda block: block.place)
def test_a_document_is_what_its_program_reads(block: Block) -> None:
    if block.language == "json":
        json.loads(block.text)
        return
    assert block.title, f'{block.place}: say which file it is: ```toml title="settings.toml"'
    values = parse_toml(block.text, Path(block.title), ConfigError)
    if block.title not in FOR_TRAINING:
        FILES[block.title](**values)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [name for name, page in PAGES.items() if any(b.language == "sh" for b in blocks(page))]
)
def test_the_commands_of_a_page_run(
    name: str,
    tmp_path: Path,
    models_home: Path,
    sample_photos: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_world(PAGES[name], tmp_path, models_home, sample_photos, monkeypatch)
    world, wrong = World(tmp_path, monkeypatch, capsys), []
    for block in blocks(PAGES[name]):
        text = "" if block.not_run or block.language != "sh" else block.text
        if block.language == "toml":
            world.write(block)
        asked = [*lines("\n".join(block.before)), *lines(text)]
        wrong += [f"{block.place}: {fault}" for line in asked if (fault := world.run(line, block.codes))]
    assert wrong == []


#: Blocks that import torch are run in tests/training/test_doc_training.py: see tests/suite.py.
PYTHON = [block for block in every_block("python") if "training" not in block.text]


@pytest.mark.slow
@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.place)
def test_python_runs(
    block: Block,
    tmp_path: Path,
    models_home: Path,
    sample_photos: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_world(block.file, tmp_path, models_home, sample_photos, monkeypatch)
    code = compile("\n" * block.line + block.text, str(block.file), "exec")
    if block.not_run:
        return
    world = World(tmp_path, monkeypatch, capsys)
    assert [fault for line in lines("\n".join(block.before)) if (fault := world.run(line))] == []
    exec(code, {"__name__": "__main__"})  # noqa: S102 - it is what the document says
    assert "print" not in block.text or capsys.readouterr().out.strip()
