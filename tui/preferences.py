"""What a user prefers, from a file under the platform's folder of configuration."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import click

from reskeras.suggestions import suggest

from .plots.glyph_sets import GLYPH_SETS

THEMES = ("dark", "light")
GLYPHS = ("auto", *GLYPH_SETS)
SLOWEST, FASTEST = 0.2, 20.0
"""Pictures a second at least and at most."""


@dataclass(frozen=True)
class Preferences:
    """How the terminal UI looks, how often it draws, and which keys it takes.

    Attributes:
        theme: one of `THEMES`; both keep their hues apart for colour-blind eyes.
        glyphs: one of `GLYPHS`: what plots are drawn with.
        refresh: how often a run is read and drawn in a second, while the terminal has the focus.
        keys: name of an action, such as `"live.stop"`, -> its keys with commas between them.
    """

    theme: str = "dark"
    glyphs: str = "auto"
    refresh: float = 4.0
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def period(self) -> float:
        """Seconds between two pictures."""
        return 1 / self.refresh


def path() -> Path:
    """Return where the file is looked for."""
    return Path(click.get_app_dir("reskeras")) / "tui.toml"


def load(file: Path | None = None) -> Preferences:
    """Return what a file of preferences says, or the defaults where there is none.

    Args:
        file: the file; None takes the one under the platform's folder of configuration.

    Raises:
        ValueError: where it is not TOML, or says something that is not known; the message names the file.
    """
    file = file or path()
    try:
        content = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return Preferences()
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} is not TOML: {error}.") from None
    return checked(content, file)


def checked(content: dict[str, Any], file: Path) -> Preferences:
    """Return preferences from what a file says.

    Raises:
        ValueError: where something in it is not known or not allowed.
    """
    known = [each.name for each in fields(Preferences)]
    for name in content:
        if name not in known:
            raise ValueError(f"{file}: there is no {name!r} (there are {', '.join(known)}).{suggest(name, known)}")
    for name, allowed in (("theme", THEMES), ("glyphs", GLYPHS)):
        value = content.get(name, allowed[0])
        if value not in allowed:
            hint = suggest(str(value), list(allowed))
            raise ValueError(f"{file}: {name} is one of {', '.join(allowed)}; received {value!r}.{hint}")
    refresh = content.get("refresh", Preferences.refresh)
    if isinstance(refresh, bool) or not isinstance(refresh, (int, float)) or not SLOWEST <= refresh <= FASTEST:
        raise ValueError(f"{file}: refresh is a number from {SLOWEST} to {FASTEST:g} a second; received {refresh!r}.")
    keys = content.get("keys", {})
    if not isinstance(keys, dict) or not all(isinstance(value, str) and value for value in keys.values()):
        raise ValueError(f'{file}: keys is a table of texts, such as "live.stop" = "x"; received {keys!r}.')
    return Preferences(**{**content, "refresh": float(refresh)})


def example(names: dict[str, tuple[str, str]]) -> str:
    """Return a file of preferences with all that can be set, each line switched off.

    Args:
        names: of actions -> their keys, and what they do.
    """
    lines = [
        "# What reskeras-tui looks like, and which keys it takes. Take the # away from what is to hold.",
        "",
        f'# theme = "{Preferences.theme}"      # {", ".join(THEMES)}',
        f'# glyphs = "{Preferences.glyphs}"     # {", ".join(GLYPHS)}',
        f"# refresh = {Preferences.refresh}       # pictures a second, {SLOWEST} to {FASTEST:g}",
        "",
        "# [keys]",
        *(f'# "{name}" = "{keys}"   # {meaning}' for name, (keys, meaning) in names.items()),
    ]
    return "\n".join(lines) + "\n"
