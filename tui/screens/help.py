"""The help: the keys of the screen below, and what the symbols mean."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widgets import Footer, Static

from reskeras.verdicts.verdict import SYMBOLS

from .. import words

FORM_KEYS = (
    ("up, down, tab", "the field before, the field after"),
    ("left, right", "the neighbouring value of a list; inside a text, the cursor"),
    ("enter, space", "open a list, turn a switch; after a text, the next field"),
)


class HelpScreen(ModalScreen[None]):
    """Explain a screen.

    Args:
        screen: the screen to explain.
    """

    BINDINGS: ClassVar = [Binding("escape,question_mark,f1,q", "dismiss", "Close", key_display="escape")]

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self._explained = screen

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help"):
            yield Static(Content("\n").join(self._lines()), id="help-text")
        yield Footer(show_command_palette=False)

    def _lines(self) -> list[Content]:
        lines = [_heading("Keys")] + [_row(key, text) for key, text in self._keys()]
        if self._explained.query("#form"):
            lines += ["", _heading("In the form")] + [_row(key, text) for key, text in FORM_KEYS]
        if self._explained.query("#heatmap"):
            lines += ["", _heading("On the map and in the table")] + [_row(key, text) for key, text in MAP_KEYS]
            lines += ["", _heading("The map"), *map(Content, MAP_TEXT)]
            lines += ["", _heading("The profile"), *map(Content, PROFILE_TEXT)]
            lines += ["", _heading("What is said of the run")]
            lines += [_row(f"{SYMBOLS[each]} {each}", text) for each, text in SEVERITY_TEXT.items()]
        lines += ["", _heading("States of a run")]
        lines += [_row(f"{sign.symbol} {sign.word}", sign.meaning) for sign in words.STATES.values()]
        lines += ["", Content("Closing this program never ends a run: open it again to see how it goes.")]
        return [line if isinstance(line, Content) else Content(line) for line in lines]

    def _keys(self) -> list[tuple[str, str]]:
        shown: dict[str, list[str]] = {}
        screen, app = self._explained, self.app
        # What the screen itself declares comes first, then what it has from others, and from the application.
        classes = [each for each in type(screen).__mro__ if each.__module__.startswith(__package__.split(".")[0])]
        declared = [one for each in classes for one in each.__dict__.get("BINDINGS", ()) if isinstance(one, Binding)]
        declared += [one for one in type(app).BINDINGS if app.offers(one.action, screen) and one.action != "quit"]
        for binding in Binding.make_bindings(declared):
            own = app.own_keys.get(binding.id or "")
            name = own or binding.key_display or app.get_key_display(binding)
            shown.setdefault(meaning(self._explained, binding.action) or binding.description, []).append(name)
        shown["Find and do any of this by typing"] = ["ctrl+p"]
        return [(", ".join(dict.fromkeys(names)), text) for text, names in shown.items()]

    def on_mount(self) -> None:
        self.query_one("#help").border_title = "Help"


MAP_KEYS = (
    ("up, down, left, right", "move the cursor: the line below reads layer, step and value; so does a click"),
    ("page up, page down", "ten rows up, ten rows down"),
    ("home, end", "the first step, the newest; in the table the first row, the last"),
    ("enter, space", "open a row that begins with +, close one that begins with -; so does a second click"),
    ("tab", "from the map to the table, to the log, and back"),
)

MAP_TEXT = (
    "Each row is a layer, a block, or a group of many blocks, the first at the top; time runs",
    "to the right. The brighter a cell, the larger its value, on the logarithmic scale below",
    "the map. Dark rows at the top: the gradient vanishes on its way to the first layers.",
)

PROFILE_TEXT = (
    "The same over depth, shallow at the left: medians of the last 100 steps, and of the",
    "first 10 for comparison. Slope and span are those of the decimal logarithm.",
)

SEVERITY_TEXT = {
    "healthy": "Nothing wrong was found.",
    "note": "Worth knowing.",
    "warning": "Learning suffers.",
    "severe": "Nothing, or not this part, is learnt.",
}


def meaning(screen: Screen, action: str) -> str:
    """Return the first sentence about an action, as its method says it; nothing of actions that are Textual's own."""
    name = "action_" + action.removeprefix("app.").split("(")[0]
    owners = (screen.app,) if action.startswith("app.") else (screen, screen.app)
    method = next((getattr(owner, name) for owner in owners if hasattr(owner, name)), None)
    if method is None or method.__module__.startswith("textual."):
        return ""
    return (method.__doc__ or "").strip().split("\n")[0].rstrip(".")


def _heading(text: str) -> Content:
    return Content.assemble((text, "bold"))


def _row(key: str, text: str) -> Content:
    return Content.assemble((f"  {key:<18}", "bold"), text)
