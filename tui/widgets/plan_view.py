"""The plan of a network as a scrolling picture."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from reskeras.plan import Plan

from ..plan_drawing import draw_plan, plain_glyphs
from ..plots.colours import resolve_glyphs

NARROWEST = 44
"""Below so many cells the picture is cut rather than squeezed."""


class PlanPicture(Static):
    """The drawing of a plan, made anew when the width changes."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar = {
        "plan--stream",
        "plan--box",
        "plan--title",
        "plan--step",
        "plan--quiet",
        "plan--skip",
        "plan--path",
        "plan--formula",
        "plan--repeat",
        "plan--shape",
        "plan--stage",
        "plan--space",
    }

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._plan: Plan | None = None
        self._drawn: tuple[Plan | None, int] = (None, 0)
        self._ascii = resolve_glyphs() == "ascii"

    def show(self, plan: Plan) -> None:
        """Draw a plan."""
        self._plan = plan
        self.draw()

    def draw(self) -> None:
        """Draw the plan for the width there is, unless that is what stands there."""
        width = max(self.parent.scrollable_content_region.width, NARROWEST)
        if self._plan is None or self._drawn == (self._plan, width):
            return
        self._drawn = (self._plan, width)
        parts = []
        for line in draw_plan(self._plan, width):
            for span in line:
                text = plain_glyphs(span.text) if self._ascii else span.text
                parts.append((text, self.get_visual_style(f"plan--{span.role}")))
            parts.append("\n")
        self.update(Content.assemble(*parts))

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._drawn = (None, 0)


class PlanView(VerticalScroll):
    """The picture of a plan and its scroll bar."""

    def compose(self) -> ComposeResult:
        yield PlanPicture(id="plan-picture")

    def show(self, plan: Plan) -> None:
        """Draw a plan."""
        self.query_one(PlanPicture).show(plan)

    def on_resize(self) -> None:
        self.query_one(PlanPicture).draw()
