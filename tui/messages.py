"""What the parts of the terminal UI tell one another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.message import Message
from textual.widget import Widget

if TYPE_CHECKING:
    from reskeras.runs import Run

    from .follow import Snapshot
    from .screens.design import Checked


class RunRead(Message):
    """A run's folder was read anew; a newer reading of the same run replaces one that still waits.

    Args:
        snapshot: what the folder holds.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__()
        self.snapshot = snapshot

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, RunRead) and message.snapshot.run.folder == self.snapshot.run.folder


class RequestChecked(Message):
    """The values of the form were checked.

    Args:
        values: the form's values that were checked, so that a late answer can be told from a current one.
        checked: what they came to.
    """

    def __init__(self, values: Any, checked: Checked) -> None:
        super().__init__()
        self.values, self.checked = values, checked

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, RequestChecked)


class RunStarted(Message):
    """Workers were started for a run, and for others that it is to be compared with."""

    def __init__(self, run: Run, *others: Run) -> None:
        super().__init__()
        self.run, self.others = run, others


class StartFailed(Message):
    """No run could be started; `reason` says why and what to do."""

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


class PartsImported(Message):
    """All that the first picture did not wait for is imported."""


class LiveRunFound(Message):
    """A run is being trained while the UI opens, or None is."""

    def __init__(self, run: Run | None) -> None:
        super().__init__()
        self.run = run


class RowMoved(Message):
    """The cursor of a map or of a table was moved to a row of the layers.

    Args:
        control: the map, or the table.
        row: the row.
    """

    def __init__(self, control: Widget, row: int) -> None:
        super().__init__()
        self.moved, self.row = control, row

    @property
    def control(self) -> Widget:
        return self.moved


class RowOpened(Message):
    """A row of the layers is to be opened, or closed."""

    def __init__(self, row: int) -> None:
        super().__init__()
        self.row = row


class RunsListed(Message):
    """The folder of runs was read anew.

    Args:
        rows: one record a run, as `Run.summary` gives it, live runs first; the newest of many.
        total: how many runs there are.
    """

    def __init__(self, rows: list[dict[str, Any]], total: int) -> None:
        super().__init__()
        self.rows, self.total = rows, total

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, RunsListed)
