"""The code blocks of README, CONTRIBUTING and the pages of docs/, and what an HTML comment before a block says of it.

A comment `<!-- not run: why -->` right before a block keeps it from being run (it is still parsed), and
`<!-- before: knownface ... -->` is a command that is run first: what a reader has done by then. After
`<!-- may end with 1: why -->` an exit code of 1 is right too.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from markdown_it import MarkdownIt

REPOSITORY = Path(__file__).resolve().parent.parent
#: Made from the program itself by scripts/cli_reference.py and scripts/api_reference.py, with tests of their own.
GENERATED = {"commands.md", "api-reference.md"}
_NOTE = re.compile(r"<!--\s*(not run|before|may end with 1):\s*(.+?)\s*-->", re.DOTALL)
_INSET = re.compile(r"(!!!|\?\?\?\+?|===) ")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        file: The page.
        line: Of the opening fence, from 1.
        language: The first word behind the fence.
        title: `title="..."` behind it, or "".
        text: What is in it.
        not_run: Why it is not run, or "".
        before: Commands to run first.
        codes: Exit codes that are right.
    """

    file: Path
    line: int
    language: str
    title: str
    text: str
    not_run: str = ""
    before: list[str] = field(default_factory=list)
    codes: tuple[int, ...] = (0,)

    @property
    def place(self) -> str:
        """As compilers write it."""
        return f"{self.file.relative_to(REPOSITORY)}:{self.line}"


@dataclass(frozen=True)
class Line:
    """A command line of a block: its words, and what a shell would do with its output."""

    words: list[str]
    text: str


def pages() -> list[Path]:
    """Every page that people write."""
    written = [file for file in sorted((REPOSITORY / "docs").glob("**/*.md")) if file.name not in GENERATED]
    return [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *written]


def blocks(file: Path) -> list[Block]:
    """The fenced blocks of a page, in their order.

    Raises:
        ValueError: A block is indented instead of fenced, so that nothing says its language.
    """
    found: list[Block] = []
    notes: list[tuple[str, str]] = []
    for token in MarkdownIt("commonmark").parse(_without_insets(file.read_text(encoding="utf-8"))):
        if token.type == "html_block":
            notes += _NOTE.findall(token.content)
            continue
        line = 1 + (token.map or [0])[0]
        if token.type == "code_block":
            raise ValueError(f"{file.name}:{line}: an indented block: put it between ``` with its language")
        if token.type == "fence":
            language, _, rest = token.info.partition(" ")
            title = re.search(r'title="([^"]+)"', rest)
            why = next((text for kind, text in notes if kind == "not run"), "")
            before = [text for kind, text in notes if kind == "before"]
            codes = (0, 1) if any(kind == "may end with 1" for kind, _ in notes) else (0,)
            found.append(Block(file, line, language, title[1] if title else "", token.content, why, before, codes))
        if token.type not in {"paragraph_close", "inline"}:
            notes = []
    return found


def spoken_of(file: Path) -> Iterator[str]:
    """The pieces of code inside sentences."""
    for token in MarkdownIt("commonmark").enable("table").parse(_without_insets(file.read_text(encoding="utf-8"))):
        yield from (child.content for child in token.children or [] if child.type == "code_inline")


def lines(text: str) -> list[Line]:
    """The command lines of a shell block: comments away, continued lines joined, split where one ends.

    Raises:
        ValueError: A quotation is not closed.
    """
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if set(word) <= set("|&;"):
                if words:
                    found.append(Line(words, line))
                words = []
            else:
                words.append(word)
    return found


def without_redirection(words: list[str]) -> list[str]:
    """The words before `>`, `>>` or `<`."""
    ends = [place for place, word in enumerate(words) if set(word) <= set("<>")]
    return words[: ends[0]] if ends else words


def _without_insets(text: str) -> str:
    """What stands indented below `!!! note` or `=== "tab"` is text like any other; the numbers of the lines stay."""
    out, inside = [], False
    for line in text.split("\n"):
        if _INSET.match(line):
            inside = True
            out.append("")
        elif inside and (line.startswith("    ") or not line.strip()):
            out.append(line[4:])
        else:
            inside = False
            out.append(line)
    return "\n".join(out)
