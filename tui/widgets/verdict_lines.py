"""What is said of a run, as text with a symbol."""

from __future__ import annotations

from typing import ClassVar

from textual.content import Content
from textual.widgets import Static

from reskeras.verdicts import Verdict

ROLES = {"healthy": "good", "note": "note", "warning": "warning", "severe": "bad"}
"""Severity -> the component class of its symbol."""

MOST = 2
"""Verdicts in the short form."""


class VerdictLines(Static):
    """The worst verdicts on a line each, cut to the width, or all of them in full.

    Args:
        whole: whether all are shown in full.
        id: the widget's id.
    """

    COMPONENT_CLASSES: ClassVar = {"verdict--good", "verdict--note", "verdict--warning", "verdict--bad"}

    def __init__(self, whole: bool = False, id: str | None = None) -> None:
        super().__init__(id=id)
        self._whole = whole
        self._verdicts: tuple[Verdict, ...] | None = None

    def show(self, verdicts: tuple[Verdict, ...] | None) -> None:
        """Show what is said of a run; None where it was not looked at yet."""
        if verdicts != self._verdicts:
            self._verdicts = verdicts
            self._write()

    def on_mount(self) -> None:
        self._write()

    def on_resize(self) -> None:
        if not self._whole:
            # Textual forgets a layout that is asked for while it makes one.
            self.call_after_refresh(self._write)

    def _write(self) -> None:
        verdicts = self._verdicts or ()
        shown = verdicts if self._whole else verdicts[: MOST if self.app.size.height >= 36 else 1]
        lines = [self._line(each) for each in shown]
        if len(shown) < len(verdicts):
            more = f" (and {len(verdicts) - len(shown)} more)"
            room = max(self.content_size.width - len(more), 1)
            lines[-1] = lines[-1].truncate(room, ellipsis=True) + Content(more)
        if self._whole and not lines:
            text = "Too few steps were measured yet." if self._verdicts is not None else "Not looked at yet."
            lines = [Content(text)]
        self.display = bool(lines)
        self.update(Content("\n").join(lines))

    def _line(self, verdict: Verdict) -> Content:
        style = self.get_visual_style(f"verdict--{ROLES[verdict.severity]}")
        word = verdict.severity if verdict.kind == verdict.severity else f"{verdict.severity}, {verdict.kind}"
        return Content.assemble((f"{verdict.symbol} {word}", style), f": {verdict.text}")
