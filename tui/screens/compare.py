"""The screen that compares up to eight runs: profiles over depth, curves, maps, what differs, and the verdicts."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import ClassVar

import numpy as np
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.screen import ActiveBinding
from textual.widgets import DataTable, Label, Static
from textual.worker import get_current_worker

from reskeras.runs import Run

from .. import words
from ..comparing import LETTERS, Compared, CompareReader, Comparison, common, headline, labels, shared_range
from ..keymap import named_actions
from ..plots.lettered import LetteredPlot
from ..plots.lines import Series
from ..repainting import RepaintingScreen
from ..replaying import Player
from ..widgets.compare_parts import CompareTable, GivenRange, SharedMap, colours, glance, span_of, verdict_lines
from ..widgets.fitting_footer import FittingFooter, fitted
from ..widgets.top_bar import TopBar
from ..widgets.transport import Transport

READ_SECONDS = 1.0
"""Between two readings of runs that go on."""

PAGES = ("glance", "profile", "curves", "maps", "table")
CURVES = ("loss", "accuracy", "validation loss", "validation accuracy")


FIRST_KEYS = (
    *("app.show_help", "app.quit", "show_page('glance')", "next_quantity", "next_curve", "toggle_replay", "play"),
    *("app.show_runs", "app.export"),
)
"""Actions, the one first that is to be in the footer however narrow it is."""


class RunsCompared(Message):
    """The compared runs were read anew.

    Args:
        comparison: how they stand.
    """

    def __init__(self, comparison: Comparison) -> None:
        super().__init__()
        self.comparison = comparison

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, RunsCompared)


@named_actions("compare")
class CompareScreen(RepaintingScreen):
    """Compare runs on shared scales, as they stand or played again from their start.

    Args:
        runs: two to eight.
        replay: play them from the start at once.
        speed: how many times as fast as they were trained; None chooses one.
    """

    BINDINGS: ClassVar = [
        Binding("1", "show_page('glance')", "Page", key_display="1-5"),
        Binding("2", "show_page('profile')", "Profile", show=False),
        Binding("3", "show_page('curves')", "Curves", show=False),
        Binding("4", "show_page('maps')", "Maps", show=False),
        Binding("5", "show_page('table')", "Table", show=False),
        Binding("m", "next_quantity", "Quantity"),
        Binding("c", "next_curve", "Curve"),
        Binding("g", "toggle_replay", "Replay"),
        Binding("space", "play", "Play/pause"),
        Binding("comma,left", "jump(-1)", "Back", show=False, key_display=","),
        Binding("full_stop,right", "jump(1)", "Forward", show=False, key_display="."),
        Binding("less_than_sign,home", "go(0)", "Start", show=False, key_display="<"),
        Binding("greater_than_sign,end", "go(1)", "End", show=False, key_display=">"),
        Binding("plus,equals_sign", "speed(1)", "Faster", show=False, key_display="+"),
        Binding("minus", "speed(-1)", "Slower", show=False, key_display="-"),
        Binding("r,escape", "app.show_runs", "Runs", key_display="r"),
        Binding("f3", "app.show_runs", "Runs", show=False),
        Binding("d", "app.show_design", "Design", show=False),
        Binding("f4", "app.show_live", "Live", show=False),
        Binding("question_mark", "app.show_help", "Help", key_display="?"),
        Binding("f1", "app.show_help", "Help", show=False),
        Binding("q", "app.quit", "Quit"),
    ]
    AUTO_FOCUS = ""

    def __init__(self, runs: Sequence[Run], replay: bool = False, speed: int | None = None) -> None:
        super().__init__()
        self.runs = list(runs)[: len(LETTERS)]
        self.page, self.curve = "glance", "loss"
        self.player: Player | None = Player(speed) if replay else None
        self._reader = CompareReader(self.runs)
        self._leaving, self._wake = threading.Event(), threading.Event()
        self._comparison: Comparison | None = None
        self._ticked = time.monotonic()
        self._scale = GivenRange()
        self._maps = [SharedMap(self._scale, id=f"compare-map-{place}") for place in range(len(self.runs))]
        self._titles = [Label("", classes="map-title", markup=False) for _ in self.runs]
        self._profile = LetteredPlot(log_y=True, id="compare-profile")
        self._curve = LetteredPlot(id="compare-curve")
        self._second = LetteredPlot(y_range=(0.0, 1.0), id="compare-second")
        self._note = Label("reading the runs", id="compare-note", markup=False)
        self._glance = Static("", id="compare-glance", markup=False)
        self._verdicts = Static("", id="compare-verdicts", markup=False)
        self._table = CompareTable(id="compare-table")
        self._transport = Transport(id="transport")

    def compose(self) -> ComposeResult:
        yield TopBar("compare", words.count(len(self.runs), "run"))
        yield self._note
        with Horizontal(id="compare-upper"):
            yield self._profile
            yield self._curve
            yield self._second
        with Horizontal(id="compare-maps"):
            for title, map_ in zip(self._titles, self._maps, strict=True):
                with Vertical(classes="map-part"):
                    yield title
                    yield map_
        with VerticalScroll(id="compare-lower", can_focus=False):
            yield self._table
            yield self._verdicts
        with VerticalScroll(id="compare-words", can_focus=False):
            yield self._glance
        yield self._transport
        yield FittingFooter()

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """The keys, of which so many are shown in the footer as fit."""
        return fitted(super().active_bindings, FIRST_KEYS, self.app)

    def on_mount(self) -> None:
        self.action_show_page(self.page)
        self._transport.display = self.player is not None
        self.set_interval(self.app.preferences.period, self._tick)
        self.app.theme_changed_signal.subscribe(self, lambda _: self._draw())
        self._read()

    def on_unmount(self) -> None:
        self._leaving.set()
        self._wake.set()

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    def shown_runs(self) -> list[Run]:
        """Return the runs that are compared."""
        return self.runs

    # Reading

    @work(thread=True, group="compare", exclusive=True, exit_on_error=False)
    def _read(self) -> None:
        worker = get_current_worker()
        while not (worker.is_cancelled or self._leaving.is_set()):
            self._wake.clear()
            comparison = self._reader.read()
            self.post_message(RunsCompared(comparison))
            # Runs that are over are read again only to show another quantity of them.
            self._wake.wait(READ_SECONDS if comparison.is_live else None)

    def on_runs_compared(self, message: RunsCompared) -> None:
        if self.player is not None:
            self.player.follow([each.snapshot for each in message.comparison.runs])
        self._comparison = message.comparison
        self._scale.given = shared_range(message.comparison.runs)
        self._draw()
        self.refresh_bindings()

    # Drawing

    def _now(self) -> Comparison | None:
        """What is to be drawn: the runs as they stand, or as they stood where a replay is."""
        if self._comparison is None or self.player is None:
            return self._comparison
        step = int(self.player.step)
        return replace(self._comparison, runs=tuple(each.at(step) for each in self._comparison.runs))

    def _draw(self) -> None:
        now = self._now()
        # The last reading may arrive while the screen is being taken down.
        if now is None or not (self.is_mounted and self._note.is_attached):
            return
        self._note.update(f"{now.quantity.title}, on one scale for all    curve: {self.curve}")
        if self._profile.display:
            self._profile.set_series(self._series(now, _profile_points))
        if self._curve.display:
            self._curve.log_y = self.curve.endswith("loss") and _is_positive(now)
            self._curve.set_series(self._series(now, partial(_curve_points, self.curve)))
        if self._second.display:
            self._second.set_series(self._series(now, partial(_curve_points, "validation accuracy")))
        if self.query_one("#compare-maps").display:
            self._draw_maps(now)
        self._draw_words(now)
        if self.player is not None:
            self._transport.show(self.player)

    def _series(self, now: Comparison, points) -> list[Series]:
        found = []
        called = labels(now.runs)
        for each, name, colour in zip(now.runs, called, colours(self.app.current_theme.dark), strict=False):
            x, y = points(each)
            if len(x):
                found.append(Series(f"{each.letter} {name}", x, y, colour))
        return found

    def _draw_maps(self, now: Comparison) -> None:
        for each, name, title, map_ in zip(now.runs, labels(now.runs), self._titles, self._maps, strict=True):
            title.update(f"{each.letter} {name}")
            map_.set_rows(list(each.names))
            if each.values.size:
                map_.update_data(each.steps, each.values)

    def _draw_words(self, now: Comparison) -> None:
        dark, width = self.app.current_theme.dark, self.size.width
        if self.query_one("#compare-words").display:
            self._glance.update(glance(now, dark, width))
        if not self.query_one("#compare-lower").display:
            return
        self._table.show(now)
        lines = [Content.styled(said, "bold")] if (said := headline(now.runs)) else []
        for each, colour in zip(now.runs, colours(dark), strict=False):
            lines += [
                Content.assemble((f"─{each.letter}─ ", colour), span_of(each) + text) for text in verdict_lines(each)
            ]
        same = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in common(now.runs).items())
        lines.append(Content.styled(f"the same in all: {same or 'nothing'}", "$text-muted"))
        self._verdicts.update(Content("\n").join(lines))

    # What the keys do

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("play", "jump", "go", "speed"):
            return self.player is not None
        if action == "next_quantity" and self._comparison is not None and len(self._comparison.available) < 2:
            return None
        return True

    def action_show_page(self, page: str) -> None:
        """Show everything at a glance, or one part large: 2 profile, 3 curves, 4 maps, 5 table."""
        self.page = page
        for each in PAGES:
            self.set_class(each == page, f"-{each}")
        if page == "table":
            self._table.focus()
        self.call_after_refresh(self._draw)

    def action_next_quantity(self) -> None:
        """Show another quantity over depth: dE/dx, gradient norms, updates, outputs."""
        if self._comparison is None or not self._comparison.available:
            return
        known = self._comparison.available
        place = known.index(self._comparison.quantity) if self._comparison.quantity in known else -1
        self._reader.quantity = known[(place + 1) % len(known)]
        self._wake.set()

    def action_next_curve(self) -> None:
        """Show another curve: loss or accuracy, in training or on validation samples."""
        self.curve = CURVES[(CURVES.index(self.curve) + 1) % len(CURVES)]
        self._draw()

    def action_toggle_replay(self) -> None:
        """Play the runs from their start, or show them as they stand."""
        if self.player is None and self._comparison is not None:
            self.player = Player()
            self.player.follow([each.snapshot for each in self._comparison.runs])
        else:
            self.player = None
        self._transport.display = self.player is not None
        self.refresh_bindings()
        self.call_after_refresh(self._draw)

    def _tick(self) -> None:
        now = time.monotonic()
        passed, self._ticked = now - self._ticked, now
        # The clock of the runs is known with their first reading.
        if self.player is not None and self.player.playing and self._comparison is not None and self.is_active:
            self.player.advance(passed)
            self._draw()

    def action_play(self) -> None:
        """Play or pause the replay; at its end, play it again."""
        self.player.toggle()
        self._draw()

    def action_jump(self, direction: int) -> None:
        """Go back or forwards in the replay, a fortieth of it."""
        self.player.jump(direction)
        self._draw()

    def action_go(self, share: float) -> None:
        """Go to the start or to the end of the replay."""
        self.player.seek(self.player.length * share)
        self._draw()

    def action_speed(self, direction: int) -> None:
        """Play faster or slower, 1 to 100 times as fast as it was recorded."""
        self.player.change_speed(direction)
        self._draw()

    @on(Transport.Scrubbed)
    def _scrub(self, message: Transport.Scrubbed) -> None:
        self.action_go(message.share)

    @on(DataTable.RowSelected)
    def _open(self, event: DataTable.RowSelected) -> None:
        run = self.runs[LETTERS.index(str(event.row_key.value))]
        if self.player is None:
            self.app.show_run(run)
        else:
            self.app.replay(run, self.player.speed)


def _profile_points(each: Compared) -> tuple[np.ndarray, np.ndarray]:
    profile = each.profile
    return np.arange(1, len(profile) + 1), profile


def _curve_points(name: str, each: Compared) -> tuple[np.ndarray, np.ndarray]:
    if not name.startswith("validation"):
        return each.snapshot.curve["step"], each.snapshot.curve[name]
    validation = each.snapshot.validation
    return validation.step, getattr(validation, name.removeprefix("validation "))


def _is_positive(now: Comparison) -> bool:
    """Whether a logarithm would hide no loss."""
    losses = [array for each in now.runs for array in (each.snapshot.curve["loss"], each.snapshot.validation.loss)]
    return not any(np.any(array <= 0) for array in losses)
