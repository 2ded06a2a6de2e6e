"""The screen that asks what is to be written of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Footer, OptionList
from textual.widgets.option_list import Option

from reskeras.runs import Run

from ..exporting import EXPORTS, Export


class ExportScreen(ModalScreen[Export | None]):
    """Choose what to write of one run, or of several.

    Args:
        runs: the runs.
    """

    BINDINGS: ClassVar = [
        Binding("enter", "choose", "Choose"),
        Binding("escape", "dismiss(None)", "Leave"),
    ]

    def __init__(self, runs: Sequence[Run]) -> None:
        super().__init__()
        self._runs = list(runs)

    def compose(self) -> ComposeResult:
        with Vertical(id="ask") as box:
            what = self._runs[0].name if len(self._runs) == 1 else f"{len(self._runs)} runs"
            box.border_title = f"Export {what}"
            options = [
                Option(
                    Content.assemble((f"{each.title:<16}", "bold"), f"  {self._lacking(each) or each.meaning}"),
                    id=each.key,
                    disabled=bool(self._lacking(each)),
                )
                for each in EXPORTS
            ]
            yield OptionList(*options, id="export-kinds", compact=True)
        yield Footer(show_command_palette=False)

    def _lacking(self, kind: Export) -> str:
        """Why there is no such export of these runs, or nothing."""
        if kind.key != "network":
            return ""
        if len(self._runs) > 1:
            return "of one run at a time: open it first"
        return "" if self._runs[0].model_path.is_file() else "not there: it is written at the end of a training"

    def action_choose(self) -> None:
        """Choose what is marked."""
        self.query_one(OptionList).action_select()

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(next(each for each in EXPORTS if each.key == event.option.id))
