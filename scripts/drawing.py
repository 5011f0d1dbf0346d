"""Draws docs/images/architecture.svg from the code: `python -m scripts.drawing`.

Above: what happens to a photo. The types that pass are the return annotations of the protocols and functions named
here; a protocol that has no box is an error. Below: the packages, and the contracts of import-linter in pyproject.toml
that CI enforces. A test says if the drawing is no longer that of the code.
"""

from __future__ import annotations

import ast
import re
import textwrap
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "docs" / "images" / "architecture.svg"
_WIDTH, _BOX, _GAP, _HIGH, _TOP, _BELOW = 760, 98, 12, 62, 34, 142
_ROW, _LADDER_X = 20, 300
_STYLE = """<style>text{fill:#263238;font:12px system-ui,sans-serif}.b{font-weight:600}.h{font-size:14px;
font-weight:600}.n{font:600 11px system-ui,sans-serif}.d{fill:#546e7a;font-size:10.5px}.t{fill:#00695c;font-size:10.5px}
.box{fill:#e0f2f1;stroke:#00796b}.soft{fill:#eceff1;stroke:#90a4ae}
.truth{fill:#fff3e0;stroke:#c2410c}.arrow{stroke:#455a64;fill:none;stroke-width:1.5;marker-end:url(#head)}.head{fill:#455a64}
.rule{stroke:#cfd8dc}@media(prefers-color-scheme:dark){text{fill:#eceff1}.d{fill:#b0bec5}.t{fill:#80cbc4}
.box{fill:#12312f;stroke:#4db6ac}.soft{fill:#263238;stroke:#78909c}.truth{fill:#3b2412;stroke:#fb923c}.arrow{stroke:#b0bec5}
.head{fill:#b0bec5}.rule{stroke:#37474f}}</style>"""
_HEAD = (
    '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path class="head" d="M0 0 8 4 0 8z"/></marker>'
)


@dataclass(frozen=True, slots=True)
class Stage:
    """A box of the upper half.

    Attributes:
        title: What happens.
        file: Where in the code.
        name: A class and its method, or a function; what it returns is written on the box.
        place: Column and row.
        kind: Class of the style.
    """

    title: str
    file: str
    name: str
    place: tuple[int, int]
    kind: str = "box"


_PROTOCOLS = "pipeline/protocols.py"
_STAGES = (
    Stage("decode", "pipeline/images/photo.py", "open_photo", (0, 0)),
    Stage("detect", _PROTOCOLS, "Detector.detect", (1, 0)),
    Stage("refine", _PROTOCOLS, "LandmarkRefiner.refine", (2, 0)),
    Stage("align", _PROTOCOLS, "Aligner.align", (3, 0)),
    Stage("embed", _PROTOCOLS, "Embedder.embed", (4, 0)),
    Stage("search", "pipeline/gallery/reader.py", "GalleryReader.search", (5, 0)),
    Stage("decide", "pipeline/decide.py", "decide_photo", (6, 0)),
    Stage("runtime", _PROTOCOLS, "Session.run", (0, 1), "soft"),
    Stage("liveness", _PROTOCOLS, "Liveness.live_scores", (1, 1), "soft"),
    Stage("quality", "pipeline/quality/assess.py", "assess", (2, 1), "soft"),
    Stage("enrol", "pipeline/gallery/gallery.py", "Gallery.enrol", (3, 1)),
    Stage("truth: SQL", "pipeline/gallery/truth.py", "Truth", (4, 1), "truth"),
    Stage("index", _PROTOCOLS, "Index.search", (5, 1)),
    Stage("eyes open?", _PROTOCOLS, "Eyes.open_scores", (6, 1), "soft"),
)


def main() -> None:
    """Writes the drawing."""
    FILE.write_text(drawing(), encoding="utf-8")


def drawing() -> str:
    """The whole picture.

    Raises:
        LookupError: What is drawn is not in the code any more, or a protocol has no box.
    """
    missing = _protocols() - {stage.name.split(".")[0] for stage in _STAGES if stage.file == _PROTOCOLS}
    if missing:
        raise LookupError(f"scripts/drawing.py has no box for {', '.join(sorted(missing))}")
    body = [_text(0, 16, "From a photo to a decision", "h"), *map(_stage, _STAGES), *_flow()]
    y = _TOP + 2 * _HIGH + _BELOW - _HIGH + 14
    body += [f'<line class="rule" x1="0" x2="{_WIDTH}" y1="{y}" y2="{y}"/>']
    packages, height = _packages(y + 28)
    label = "From a photo to a decision, and who may import whom"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{label}">'
        f"{_STYLE}<defs>{_HEAD}</defs>\n" + "\n".join([*body, *packages]) + "\n</svg>\n"
    )


def _stage(stage: Stage) -> str:
    x, y = _corner(stage.place)
    gives = _returned(stage.file, stage.name)
    owner = stage.name.split(".")[0]
    lines = [_text(x + _BOX / 2, y + 19, stage.title, "b", "middle"), _text(x + _BOX / 2, y + 36, owner, "d", "middle")]
    if gives:
        lines.append(_text(x + _BOX / 2, y + 52, f"→ {gives}", "t", "middle"))
    return _box(x, y, _BOX, _HIGH, stage.kind) + "".join(lines)


def _flow() -> list[str]:
    """The arrows: along the upper row, and from the templates through the truth to the index that is searched."""
    along = [_arrow([(_right(column), _middle(0)), (_right(column) + _GAP, _middle(0))]) for column in range(6)]
    to_enrol = [(_centre(4), _TOP + _HIGH), (_centre(4), _BELOW - 22), (_centre(3), _BELOW - 22), (_centre(3), _BELOW)]
    lower = [_arrow([(_right(column), _middle(1)), (_right(column) + _GAP, _middle(1))]) for column in (2, 3, 4)]
    return [*along, _arrow(to_enrol), *lower, _arrow([(_centre(5), _BELOW), (_centre(5), _TOP + _HIGH)])]


def _packages(y: int) -> tuple[list[str], int]:
    """The lower half, from the contracts; and where it ends."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    order, ladder = layers
    width = _WIDTH - _LADDER_X
    body = [_text(0, y - 8, "Who may import whom", "h"), _text(_LADDER_X, y - 8, f"{order[-1]}: only downwards", "h")]
    for number, layer in enumerate(ladder):
        top = y + number * _ROW
        body.append(_box(_LADDER_X, top, width, _ROW - 3, "box"))
        modules = [part.strip() for part in layer.split("|")]
        names = " · ".join(module.removeprefix(f"{order[-1]}.") for module in modules)
        body.append(_text(_LADDER_X + 8, top + 12.5, names, "n" if len(modules) == 1 else "d"))
        if len(modules) == 1:
            body.append(_text(_LADDER_X + 100, top + 12.5, _about(modules[0]), "d"))
    bottom = y + len(ladder) * _ROW
    body += [_arrow([(_LADDER_X - 8, y), (_LADDER_X - 8, bottom - 4)])]
    upper, end = _upper_packages(order, y)
    notes, end = _forbidden(contracts, end + 14)
    return [*body, *upper, *notes], max(bottom, end) + 8


def _upper_packages(order: Sequence[str], y: int) -> tuple[list[str], int]:
    """The packages above the pipeline, each with its parts, and the arrows between them; and where they end."""
    body, top = [], y
    for name in order[:-1]:
        parts = sorted(p.name for p in (ROOT / name).iterdir() if (p / "__init__.py").is_file())
        lines = textwrap.wrap(" · ".join(parts), 38)
        high = 26 + 15 * len(lines)
        body += [_box(0, top, 250, high, "soft"), _text(10, top + 17, name, "b")]
        body += [_text(10, top + 33 + 15 * row, line, "d") for row, line in enumerate(lines)]
        body.append(_arrow([(250, top + high / 2), (_LADDER_X - 16, top + high / 2)]))
        if name != order[-2]:
            body.append(_arrow([(125, top + high), (125, top + high + 22)]))
        top += high + 22
    return body, top


def _forbidden(contracts: Sequence[dict[str, Any]], y: float) -> tuple[list[str], int]:
    """The other contracts, in words."""
    body = []
    for contract in contracts:
        if contract["type"] != "forbidden":
            continue
        for line in textwrap.wrap(contract["name"], 44):
            body.append(_text(0, y, line))
            y += 15
        for line in textwrap.wrap("never: " + ", ".join(contract["forbidden_modules"]), 48):
            body.append(_text(0, y, line, "d"))
            y += 14
        y += 10
    return body, int(y)


def _about(module: str) -> str:
    """The beginning of a module's docstring."""
    path = ROOT / module.replace(".", "/")
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    first = (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").split("\n")[0]
    return textwrap.shorten(first.split(". ")[0].removesuffix(".").replace("`", ""), 60, placeholder=" …")


def _returned(file: str, name: str) -> str:
    """The type that a function or method gives; of a list or tuple of them its own; nothing for arrays and numbers."""
    tree: ast.AST = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    for part in name.split("."):
        found = [n for n in ast.iter_child_nodes(tree) if getattr(n, "name", None) == part]
        if not found:
            raise LookupError(f"{file} has no {name}, which scripts/drawing.py draws")
        tree = found[0]
    if not isinstance(tree, ast.FunctionDef) or tree.returns is None:
        return ""
    text = re.sub(r"^(list|tuple)\[(.*?)(, \.\.\.)?\]$", r"\2", ast.unparse(tree.returns))
    return text if re.fullmatch(r"[A-Z][a-zA-Z]{3,}", text) else ""


def _protocols() -> set[str]:
    tree = ast.parse((ROOT / _PROTOCOLS).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.ClassDef)}


def _corner(place: tuple[int, int]) -> tuple[int, int]:
    return place[0] * (_BOX + _GAP), (_TOP, _BELOW)[place[1]]


def _right(column: int) -> int:
    return column * (_BOX + _GAP) + _BOX


def _centre(column: int) -> float:
    return column * (_BOX + _GAP) + _BOX / 2


def _middle(row: int) -> float:
    return (_TOP, _BELOW)[row] + _HIGH / 2


def _box(x: float, y: float, width: float, high: float, kind: str) -> str:
    return f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{high:g}" rx="5"/>'


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'


def _arrow(points: Sequence[tuple[float, float]]) -> str:
    return f'<polyline class="arrow" points="{" ".join(f"{x:g},{y:g}" for x, y in points)}"/>'


if __name__ == "__main__":
    main()
