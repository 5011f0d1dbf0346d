"""Colours for light and dark. They travel in the environment, so that they work installed as well as from a clone."""

from __future__ import annotations

_SHARED = {"baseRadius": "0.6rem", "buttonRadius": "0.6rem", "showWidgetBorder": "true"}
_LIGHT = {
    "primaryColor": "#0b6b70",
    "backgroundColor": "#fbfcfc",
    "secondaryBackgroundColor": "#eef3f3",
    "textColor": "#16211f",
    "borderColor": "#d5dedd",
    "linkColor": "#0b6b70",
}
_DARK = {
    "primaryColor": "#2c9c9f",
    "backgroundColor": "#101617",
    "secondaryBackgroundColor": "#1a2324",
    "textColor": "#e8eeee",
    "borderColor": "#334243",
    "linkColor": "#63c9cb",
}


def pairs() -> list[tuple[str, str, str]]:
    """(name, light, dark) of each colour."""
    return [(name, _LIGHT[name], _DARK[name]) for name in _LIGHT]


def environment() -> dict[str, str]:
    """Streamlit's theme options as environment variables; the browser's preference chooses between light and dark."""
    names = {f"theme.{name}": value for name, value in _SHARED.items()}
    for scheme, colours in (("light", _LIGHT), ("dark", _DARK)):
        names |= {f"theme.{scheme}.{name}": value for name, value in colours.items()}
    return {_variable(name): value for name, value in names.items()}


def _variable(option: str) -> str:
    """`theme.light.primaryColor` -> `STREAMLIT_THEME_LIGHT_PRIMARY_COLOR`.

    >>> _variable("theme.light.primaryColor")
    'STREAMLIT_THEME_LIGHT_PRIMARY_COLOR'
    """
    snake = "".join(f"_{letter}" if letter.isupper() else letter for letter in option)
    return "STREAMLIT_" + snake.replace(".", "_").upper()
