"""The live screen of a recorded run, played again."""

from __future__ import annotations

import time
from typing import ClassVar

import numpy as np
from textual import on, work
from textual.binding import Binding
from textual.message import Message
from textual.screen import ActiveBinding
from textual.widgets import Footer

from reskeras.runs import Run, RunError

from ..courses import values_at
from ..follow import Snapshot
from ..keymap import named_actions
from ..replaying import Player, cut
from ..rows import Row
from ..widgets.fitting_footer import fitted
from ..widgets.transport import Transport
from .live import FIRST_KEYS, LiveScreen

REPLAY_KEYS = (
    *("app.show_help", "app.quit", "play", "jump(-1)", "jump(1)", "speed(1)", "speed(-1)", "leave"),
    *("next_quantity", "next_view", "toggle_rows"),
)
"""Actions, the one first that is to be in the footer however narrow it is."""


class SheetRead(Message):
    """What was measured of rows at a step was read.

    Args:
        rows: the rows.
        step: the step.
        sheet: quantity -> the value of each row, (rows,).
    """

    def __init__(self, rows: tuple[Row, ...], step: int, sheet: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.rows, self.step, self.sheet = rows, step, sheet


@named_actions("replay")
class ReplayScreen(LiveScreen):
    """Play a recorded run.

    Args:
        run: the run; one that still goes on is played as far as it has come.
        speed: how many times as fast as it was trained; None chooses one.
    """

    BINDINGS: ClassVar = [
        Binding("space", "play", "Play/pause", priority=True),
        Binding("comma,left", "jump(-1)", "Back", key_display=","),
        Binding("full_stop,right", "jump(1)", "Forward", key_display="."),
        Binding("left_square_bracket", "step(-1)", "Step back", show=False, key_display="["),
        Binding("right_square_bracket", "step(1)", "Step forward", show=False, key_display="]"),
        Binding("less_than_sign,home", "go(0)", "Start", show=False, key_display="<"),
        Binding("greater_than_sign,end", "go(1)", "End", show=False, key_display=">"),
        Binding("plus,equals_sign", "speed(1)", "Faster", key_display="+"),
        Binding("minus", "speed(-1)", "Slower", key_display="-"),
        Binding("g", "leave", "As it stands"),
    ]
    PLAYS_AGAIN: ClassVar = False

    def __init__(self, run: Run, speed: int | None = None) -> None:
        super().__init__(run)
        self.player = Player(speed)
        self._whole: Snapshot | None = None
        self._ticked = time.monotonic()
        self._transport = Transport(id="transport")
        self._sheet, self._reading_sheet = SheetRead((), -1, {}), False

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """The keys, of which so many are shown in the footer as fit."""
        return fitted(super(LiveScreen, self).active_bindings, REPLAY_KEYS + FIRST_KEYS, self.app)

    def on_mount(self) -> None:
        self.mount(self._transport, before=self.query_one(Footer))
        self.set_interval(self.app.preferences.period, self._tick)

    def show(self, snapshot: Snapshot) -> None:
        """Take up the whole run, and show as much of it as has been played."""
        self._whole = snapshot
        self.player.follow([snapshot])
        self._draw_now()

    def _draw_now(self) -> None:
        # The last reading may arrive while the screen is being taken down.
        if self._whole is None or not (self.is_mounted and self._transport.is_attached):
            return
        step = int(self.player.step)
        super().show(cut(self._whole, step, self._sheet_at(step)))
        self._transport.show(self.player)

    # The table

    def _sheet_at(self, step: int) -> dict[str, np.ndarray] | None:
        """Return what was read last of the rows of the table; where it is of another step, this one is read."""
        rows = self._whole.rows
        if self._whole.view.sheet and (self._sheet.rows, self._sheet.step) != (rows, step) and not self._reading_sheet:
            self._reading_sheet = True
            self._read_sheet(rows, step)
        return self._sheet.sheet if self._sheet.rows == rows else None

    @work(thread=True, group="sheet", exit_on_error=False)
    def _read_sheet(self, rows: tuple[Row, ...], step: int) -> None:
        try:
            found = values_at(self.run, rows, step)
        except (RunError, OSError, ValueError):
            # The reading of the run says what is wrong with it.
            found = {}
        self.post_message(SheetRead(rows, step, found))

    def on_sheet_read(self, message: SheetRead) -> None:
        self._sheet, self._reading_sheet = message, False
        self._draw_now()

    # Time

    def _tick(self) -> None:
        now = time.monotonic()
        passed, self._ticked = now - self._ticked, now
        # The clock of the run is known with its first reading.
        if self.player.playing and self._whole is not None and self.is_active:
            self.player.advance(passed)
            self._draw_now()

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw_now)

    def action_play(self) -> None:
        """Play or pause; at the end, play again."""
        self.player.toggle()
        self._draw_now()

    def action_jump(self, direction: int) -> None:
        """Go back or forwards, a fortieth of the run."""
        self.player.jump(direction)
        self._draw_now()

    def action_step(self, direction: int) -> None:
        """Go one step back or forwards."""
        self.player.playing = False
        self.player.seek(int(self.player.step) + direction)
        self._draw_now()

    def action_go(self, share: float) -> None:
        """Go to the start or to the end."""
        self.player.seek(self.player.length * share)
        self._draw_now()

    def action_speed(self, direction: int) -> None:
        """Play faster or slower, 1 to 100 times as fast as it was recorded."""
        self.player.change_speed(direction)
        self._draw_now()

    def action_leave(self) -> None:
        """Show the run as it stands."""
        self.app.show_run(self.run)

    @on(Transport.Scrubbed)
    def _scrub(self, message: Transport.Scrubbed) -> None:
        self.action_go(message.share)
