"""What an architecture is: options, a rule for its depth, and a plan; one file a family beside this one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from reskeras.options import Options, depth_problem
from reskeras.plan import Plan
from reskeras.steps import PlanError, Shape
from reskeras.tasks import INPUT_KINDS, TOKEN_KINDS


class ArchitectureOptions(Options):
    """Options of one family; every family declares `depth` and `skip` and says which depths exist."""

    title: ClassVar[str] = ""
    depth_rule: ClassVar[str] = "n"

    def depths(self) -> Sequence[int]:
        """Return the depths that exist with the other options as they are, from small to large."""
        raise NotImplementedError

    def problems(self):
        problem = depth_problem(self.title, self.depth, self.depths(), self.rule())
        return ({"depth": problem} if problem else {}) | self._branch_problems()

    def rule(self) -> str:
        """Return the paper's rule for the depth, such as `"6n+2"`."""
        return self.depth_rule

    def _branch_problems(self) -> dict[str, str]:
        """Return what is wrong with a branch that is dropped, or starts at zero, under the skip that there is."""
        problems, nearest = {}, f"Did you mean skip={type(self).model_fields['skip'].default}?"
        if getattr(self, "drop_path", 0) and self.skip == "none":
            problems["drop_path"] = (
                "drop_path needs a skip, for without one nothing is left where a branch is dropped; received "
                f"skip={self.skip}. {nearest}"
            )
        if getattr(self, "silent_start", False) and self.skip in ("none", "scaled"):
            problems["silent_start"] = (
                "silent_start needs a skip that carries x and lets the gradient reach the branch; received "
                f"skip={self.skip}. {nearest}"
            )
        return problems


@dataclass(frozen=True)
class Preset:
    """A network of a paper, by the paper's name.

    Attributes:
        name: the name in commands and code, such as `"resnet-50"`.
        options: the family's options that make it.
        input_shape: shape of one sample in the paper.
        classes: classes of the paper's task; for a language model, the size of its vocabulary.
        parameters: how many numbers it trains, counted from the paper or its authors' code.
        paper: what the paper itself prints, such as `"25.6M"`; empty where it prints nothing.
    """

    name: str
    options: Mapping[str, Any]
    input_shape: Shape
    classes: int
    parameters: int
    paper: str = ""


@dataclass(frozen=True)
class Architecture:
    """One family of networks, as the catalogue lists it.

    Attributes:
        name: the name in commands and code.
        summary: one sentence for lists and forms.
        paper: author, year and arXiv number of the source.
        inputs: the kinds of sample it takes, of `tasks.INPUT_KINDS` and `tasks.TOKEN_KINDS`.
        options: its options' class.
        write: `(options, input_shape, classes) -> Plan`.
        tiny: options of the smallest network worth testing.
        presets: its networks of papers.
        task: what its outputs are, a name in `tasks.TASKS`.
        extra: the extra of this package that it cannot be built without; empty where it needs none.
    """

    name: str
    summary: str
    paper: str
    inputs: tuple[str, ...]
    options: type[ArchitectureOptions]
    write: Callable[[Any, Shape, int], Plan]
    tiny: Mapping[str, Any]
    presets: tuple[Preset, ...] = ()
    task: str = "classes"
    extra: str = ""

    def fits(self, task: str, kind: str) -> bool:
        """Return whether it learns a task from samples of a kind."""
        return task == self.task and kind in self.inputs

    def plan(self, options: ArchitectureOptions, input_shape: Shape, classes: int) -> Plan:
        """Return the network as data.

        Args:
            options: checked options of this family.
            input_shape: shape of one sample, such as `(32, 32, 3)`.
            classes: how many classes to tell apart, 2 or more.

        Raises:
            PlanError: where the family does not take samples of this shape.
        """
        kind = INPUT_KINDS.get(len(input_shape))
        if not {kind, TOKEN_KINDS.get(len(input_shape))} & set(self.inputs):
            raise PlanError(
                f"{self.name} takes {' or '.join(self.inputs)} samples; received samples of shape {input_shape}"
                f" ({kind or 'unknown kind'})."
            )
        if any(size < 1 for size in input_shape) or classes < 2:
            raise PlanError(
                f"A network needs samples of a positive size and at least 2 classes; received shape {input_shape} and "
                f"{classes} classes."
            )
        plan = self.write(options, tuple(input_shape), classes)
        plan.shapes()
        return plan
