"""docs/commands.md is what `python -m scripts.cli_reference` writes."""

from __future__ import annotations

from scripts.cli_reference import FILE, commands, reference


def test_the_reference_is_current() -> None:
    assert FILE.read_text(encoding="utf-8") == reference(), "run: python -m scripts.cli_reference"


def test_every_command_is_described() -> None:
    import typer

    from app.cli.main import app

    found = dict(commands(typer.main.get_command(app), ()))
    assert ("verify",) in found
    assert ("gallery", "remove") in found
    for path, command in found.items():
        assert command.help, f"{' '.join(path)} has no help"
        for parameter in command.params:
            assert getattr(parameter, "help", None), f"{' '.join(path)}: {parameter.name} has no help"
