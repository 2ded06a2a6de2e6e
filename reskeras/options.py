"""How an option is declared once, checked, and described to every surface that shows it."""

from __future__ import annotations

import types
import typing
from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, Union

import annotated_types
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.fields import FieldInfo

from reskeras.suggestions import suggest


class OptionError(ValueError):
    """One or more options hold a value that cannot be used.

    Attributes:
        problems: option name -> one sentence that says what came, what is allowed and the nearest fix.
    """

    def __init__(self, problems: Mapping[str, str]):
        self.problems = dict(problems)
        super().__init__(" ".join(self.problems.values()))


class Options(BaseModel):
    """A group of options: each field is declared with its type, default, bounds and help.

    A declaration is the only home of these facts: command-line flags, form fields, error messages, JSON and the
    tables of the README are rendered from it by `describe`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def problems(self) -> dict[str, str]:
        """Return what is wrong with options taken together: option name -> sentence; empty when all fit."""
        return {}

    @model_validator(mode="after")
    def _options_fit_together(self):
        if problems := self.problems():
            raise OptionError(problems)
        return self


OptionsType = TypeVar("OptionsType", bound=Options)


@dataclass(frozen=True)
class Option:
    """One option as a surface needs it.

    Attributes:
        name: the field's name; the command-line flag is this name with `-` for `_`.
        kind: `"integer"`, `"number"`, `"choice"`, `"flag"` or `"text"`.
        default: the value when the user says nothing.
        help: one sentence.
        minimum, maximum: inclusive bounds, or None.
        choices: what a choice may be, else empty.
        optional: whether "no value" (None) is allowed.
    """

    name: str
    kind: Literal["integer", "number", "choice", "flag", "text"]
    default: Any
    help: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    optional: bool = False

    @property
    def flag(self) -> str:
        """The command-line flag, such as `--batch-size`."""
        return "--" + self.name.replace("_", "-")

    @property
    def allowed(self) -> str:
        """What may be given, in words: `"add, none"` or `"1 to 64"`."""
        if self.choices:
            return ", ".join(self.choices)
        if self.kind == "flag":
            return "yes or no"
        if self.minimum is not None and self.maximum is not None:
            return f"{_number(self.minimum)} to {_number(self.maximum)}"
        if self.minimum is not None:
            return f"{_number(self.minimum)} or more"
        return {"integer": "a whole number", "number": "a number", "text": "text"}.get(self.kind, "")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:g}"


def describe(options: type[Options]) -> tuple[Option, ...]:
    """Return the options of a group in the order of their declaration."""
    return tuple(_describe_field(name, field) for name, field in options.model_fields.items())


def _describe_field(name: str, field: FieldInfo) -> Option:
    annotation, optional = _without_none(field.annotation)
    choices: tuple[str, ...] = ()
    if typing.get_origin(annotation) is Literal:
        kind, choices = "choice", tuple(str(value) for value in typing.get_args(annotation))
    else:
        kind = {int: "integer", float: "number", bool: "flag"}.get(annotation, "text")
    minimum = maximum = None
    for bound in field.metadata:
        if isinstance(bound, annotated_types.Ge):
            minimum = bound.ge
        elif isinstance(bound, annotated_types.Gt):
            minimum = bound.gt
        elif isinstance(bound, annotated_types.Le):
            maximum = bound.le
        elif isinstance(bound, annotated_types.Lt):
            maximum = bound.lt
    return Option(name, kind, field.default, field.description or "", minimum, maximum, choices, optional)


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if typing.get_origin(annotation) in (Union, types.UnionType):
        others = [part for part in typing.get_args(annotation) if part is not type(None)]
        return others[0], len(others) < len(typing.get_args(annotation))
    return annotation, False


def check(options: type[OptionsType], values: Mapping[str, Any], subject: str = "") -> OptionsType:
    """Return `values` as a checked group of options.

    Args:
        options: the group's class.
        values: option name -> value; text is converted, so that what a form or a shell gives can be passed as it is.
        subject: who has the options, for messages, such as `"resnet"`.

    Raises:
        OptionError: with a sentence for every option that is wrong.
    """
    try:
        return options(**values)
    except ValidationError as error:
        raise OptionError(_problems(options, error, subject)) from None


def _problems(options: type[Options], error: ValidationError, subject: str) -> dict[str, str]:
    declared = {option.name: option for option in describe(options)}
    problems: dict[str, str] = {}
    for detail in error.errors():
        inner = detail.get("ctx", {}).get("error")
        if isinstance(inner, OptionError):
            problems.update(inner.problems)
            continue
        name = str(detail["loc"][0])
        if name not in declared:
            owner = f"{subject} has" if subject else "There is"
            problems[name] = f"{owner} no option {name!r} (options: {', '.join(declared)}).{suggest(name, declared)}"
        else:
            problems.setdefault(name, _sentence(declared[name], detail))
    return problems


def _sentence(option: Option, detail: Mapping[str, Any]) -> str:
    name, value, kind = option.name, detail["input"], detail["type"]
    if kind == "literal_error":
        return f"{name} cannot be {value!r} (choices: {option.allowed}).{suggest(str(value), option.choices)}"
    if kind in ("greater_than_equal", "less_than_equal"):
        nearest = option.minimum if kind.startswith("greater") else option.maximum
        return f"{name} cannot be {value} (allowed: {option.allowed}). Did you mean {_number(nearest)}?"
    if kind in ("greater_than", "less_than"):
        side = "greater than" if kind.startswith("greater") else "less than"
        bound = option.minimum if kind.startswith("greater") else option.maximum
        return f"{name} cannot be {value}: it must be {side} {_number(bound)}."
    if kind == "string_too_short":
        return f"{name} cannot be empty ({option.help})"
    if kind == "string_unicode":
        return f"{name} cannot be {value!r}: there are bytes in it that are no text. Give it another name."
    wanted = {"integer": "a whole number", "number": "a finite number", "flag": "yes or no"}.get(option.kind, "text")
    return f"{name} must be {wanted} (allowed: {option.allowed}); received {value!r}."


def depth_problem(title: str, depth: int, depths: Sequence[int], rule: str) -> str | None:
    """Return the sentence for a depth off the paper's grid, or None when it is on it.

    Args:
        title: the architecture as people write it, such as `"ResNet"`.
        depth: the depth asked for.
        depths: the depths that exist, from small to large.
        rule: the paper's rule, such as `"6n+2"`.
    """
    if depth in depths:
        return None
    index = max(bisect(depths, depth) - 1, 0)
    below, above = depths[index], depths[min(index + 1, len(depths) - 1)]
    nearest = below if depth - below < above - depth else above
    around = [depths[i] for i in range(max(index - 1, 0), min(index + 3, len(depths)))]
    listed = ", ".join(str(value) for value in around)
    return (
        f"{title} has no depth {depth} (it has {rule} from {depths[0]} to {depths[-1]}: "
        f"..., {listed}, ...). Did you mean {nearest}?"
    )
