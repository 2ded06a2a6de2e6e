"""Options are declared once: what `describe` tells is what `check` holds, and every refusal says how to mend it."""

import json
import math
import re
from itertools import product
from typing import Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import Field

from reskeras.catalogue import ARCHITECTURES, find
from reskeras.options import OptionError, Options, check, depth_problem, describe
from reskeras.runs import TrainingOptions

pytestmark = pytest.mark.any_backend


class Lamp(Options):
    """A group with one option of every kind."""

    height: int = Field(3, ge=1, le=2**31 - 1, description="Rungs.")
    share: float = Field(0.5, gt=0, lt=1, description="Share of the light.")
    least: float = Field(1.0, ge=0.25, description="Least light.")
    colour: Literal["red", "green"] = Field("red", description="Colour.")
    bright: bool = Field(False, description="Whether it is bright.")
    label: str = Field("lamp", min_length=1, description="What it is called.")
    limit: int | None = Field(None, ge=2, description="Hours until it goes out.")


GROUPS = {"lamp": Lamp, "training": TrainingOptions, **{name: each.options for name, each in ARCHITECTURES.items()}}
DECLARED = [
    pytest.param(group, option, id=f"{name}-{option.name}")
    for name, group in GROUPS.items()
    for option in describe(group)
]


def refusal(group, name, value, subject=""):
    """Return the sentence for one option, given alone."""
    with pytest.raises(OptionError) as caught:
        check(group, {name: value}, subject)
    assert str(caught.value) == " ".join(caught.value.problems.values())
    return caught.value.problems[name]


def declared(kinds):
    return [each for each in DECLARED if each.values[1].kind in kinds]


def meant(sentence):
    """Return the number that a sentence proposes."""
    return float(re.search(r"Did you mean (-?[\d.]+)\?", sentence)[1])


def test_describe_gives_every_fact_of_a_declaration():
    described = {option.name: option for option in describe(Lamp)}
    assert [(o.name, o.kind, o.default, o.optional) for o in described.values()] == [
        ("height", "integer", 3, False),
        ("share", "number", 0.5, False),
        ("least", "number", 1.0, False),
        ("colour", "choice", "red", False),
        ("bright", "flag", False, False),
        ("label", "text", "lamp", False),
        ("limit", "integer", None, True),
    ]
    assert [option.allowed for option in described.values()] == [
        "1 to 2147483647",
        "0 to 1",
        "0.25 or more",
        "red, green",
        "yes or no",
        "text",
        "2 or more",
    ]
    assert described["colour"].help == "Colour."
    assert described["colour"].choices == ("red", "green")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("height", 0, "height cannot be 0 (allowed: 1 to 2147483647). Did you mean 1?"),
        ("height", 2**31, "height cannot be 2147483648 (allowed: 1 to 2147483647). Did you mean 2147483647?"),
        ("height", "tall", "height must be a whole number (allowed: 1 to 2147483647); received 'tall'."),
        ("height", 2.5, "height must be a whole number (allowed: 1 to 2147483647); received 2.5."),
        ("height", None, "height must be a whole number (allowed: 1 to 2147483647); received None."),
        ("share", 0, "share cannot be 0: it must be greater than 0."),
        ("share", "1", "share cannot be 1: it must be less than 1."),
        ("share", math.nan, "share must be a finite number (allowed: 0 to 1); received nan."),
        ("least", 0.2, "least cannot be 0.2 (allowed: 0.25 or more). Did you mean 0.25?"),
        ("least", "inf", "least must be a finite number (allowed: 0.25 or more); received 'inf'."),
        ("colour", "gren", "colour cannot be 'gren' (choices: red, green). Did you mean green?"),
        ("colour", "zzz", "colour cannot be 'zzz' (choices: red, green)."),
        ("colour", 7, "colour cannot be 7 (choices: red, green)."),
        ("bright", "perhaps", "bright must be yes or no (allowed: yes or no); received 'perhaps'."),
        ("label", 5, "label must be text (allowed: text); received 5."),
        ("label", "", "label cannot be empty (What it is called.)"),
        ("limit", 1, "limit cannot be 1 (allowed: 2 or more). Did you mean 2?"),
        ("hight", 2, "Lamp has no option 'hight' (options: height, share, least, colour, bright, label, limit). "
                     "Did you mean height?"),
    ],
)  # fmt: skip
def test_a_refusal_says_what_came_what_is_allowed_and_the_nearest_fix(name, value, sentence):
    assert refusal(Lamp, name, value, "Lamp") == sentence


def test_every_wrong_option_is_told_at_once():
    with pytest.raises(OptionError) as caught:
        check(Lamp, {"height": 0, "colour": "blue", "wick": 1, "least": 2})
    assert list(caught.value.problems) == ["height", "colour", "wick"]
    assert all(sentence in str(caught.value) for sentence in caught.value.problems.values())


def test_text_from_a_form_or_a_shell_is_converted():
    values = {"height": "7", "share": "0.25", "bright": "yes", "limit": "9"}
    checked = check(Lamp, values)
    assert (checked.height, checked.share, checked.bright, checked.limit) == (7, 0.25, True, 9)


def test_a_checked_group_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        check(Lamp, {}).height = 0


@pytest.mark.parametrize("group", GROUPS.values(), ids=GROUPS)
def test_defaults_are_valid_and_survive_json(group):
    checked = check(group, {})
    assert checked.model_dump() == {option.name: option.default for option in describe(group)}
    assert check(group, json.loads(checked.model_dump_json())) == checked


@pytest.mark.parametrize(("group", "option"), DECLARED)
def test_every_option_has_help_and_a_flag(group, option):
    assert option.help.endswith(".")
    assert "\n" not in option.help
    assert re.fullmatch(r"--[a-z]+(-[a-z]+)*", option.flag)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_family_shares_no_option_name_with_training(name):
    """Both groups become flags of one command and keys of one table of problems."""
    taken = {option.name for option in describe(TrainingOptions)} | {"architecture"}
    assert not taken & {option.name for option in describe(ARCHITECTURES[name].options)}


@pytest.mark.parametrize(("group", "option"), declared({"integer", "number"}))
@pytest.mark.parametrize("side", ["minimum", "maximum"])
def test_a_number_beyond_its_bound_is_refused(group, option, side):
    bound = getattr(option, side)
    if bound is None:
        pytest.skip(f"{option.name} has no {side}")
    value = bound + (1 if side == "maximum" else -1)
    sentence = refusal(group, option.name, value)
    assert sentence.startswith(f"{option.name} cannot be {value}")
    if "must be" in sentence:
        wanted = "less than" if side == "maximum" else "greater than"
        assert sentence.endswith(f"it must be {wanted} {bound:g}.")
    else:
        assert f"(allowed: {option.allowed})" in sentence
        assert meant(sentence) == bound
    assert refusal(group, option.name, str(value)).startswith(f"{option.name} cannot be {value}")


@pytest.mark.parametrize(("group", "option"), declared({"integer", "number"}))
@pytest.mark.parametrize("value", [math.nan, math.inf, "nan", "-inf", "many", [], {}])
def test_what_is_no_number_is_refused(group, option, value):
    sentence = refusal(group, option.name, value)
    assert sentence.startswith(f"{option.name} must be ")
    assert sentence.endswith(f"(allowed: {option.allowed}); received {value!r}.")


@pytest.mark.parametrize(("group", "option"), declared({"choice"}))
def test_a_wrong_choice_is_refused_with_the_choices_and_the_nearest(group, option):
    for choice in option.choices:
        assert getattr(check(group, {option.name: choice}), option.name) == choice
        assert refusal(group, option.name, choice + "x") == (
            f"{option.name} cannot be {choice + 'x'!r} (choices: {', '.join(option.choices)}). Did you mean {choice}?"
        )
    assert option.default in option.choices
    assert refusal(group, option.name, 5).startswith(f"{option.name} cannot be 5 (choices: ")


@pytest.mark.parametrize(("group", "option"), declared({"flag", "text"}))
@pytest.mark.parametrize("value", [math.nan, [], {}])
def test_a_wrong_type_is_refused(group, option, value):
    assert refusal(group, option.name, value).endswith(f"received {value!r}.")


@pytest.mark.parametrize(("group", "option"), DECLARED)
def test_no_value_is_taken_where_and_only_where_it_is_declared(group, option):
    if option.optional:
        assert getattr(check(group, {option.name: None}), option.name) is None
    else:
        assert option.name in refusal(group, option.name, None)


@pytest.mark.parametrize(("group", "option"), DECLARED)
def test_a_misspelt_option_is_refused_with_the_names_that_exist(group, option):
    sentence = refusal(group, option.name + "q", 1, "It")
    assert sentence.startswith(f"It has no option {option.name + 'q'!r} (options: {describe(group)[0].name}")
    assert sentence.endswith(f"Did you mean {option.name}?")


def test_an_unknown_architecture_is_refused_with_the_names_that_exist():
    name = next(iter(ARCHITECTURES))
    with pytest.raises(OptionError) as caught:
        find(name + "s")
    assert caught.value.problems == {
        "architecture": f"There is no architecture {name + 's'!r} (architectures: {', '.join(ARCHITECTURES)}; "
        f"presets: see reskeras list). Did you mean {name}?"
    }


def flag_settings(entry):
    """Return every combination of an entry's yes-or-no options, for they can change the rule of its depth."""
    names = [option.name for option in describe(entry.options) if option.kind == "flag"]
    return [dict(zip(names, values, strict=True)) for values in product([False, True], repeat=len(names))]


FAMILIES = [
    pytest.param(entry, flags, id="-".join([name, *(flag for flag, value in flags.items() if value)]))
    for name, entry in ARCHITECTURES.items()
    for flags in flag_settings(entry)
]


@pytest.mark.parametrize(("entry", "flags"), FAMILIES)
@given(depth=st.integers() | st.integers(-10, 400))
@example(depth=10**9)
@settings(max_examples=200)
def test_any_depth_is_valid_or_answered_with_a_nearest_valid_one(entry, flags, depth):
    try:
        options = check(entry.options, {**flags, "depth": depth})
    except OptionError as error:
        problem = error.problems["depth"]
    else:
        assert depth == options.depth
        assert depth in options.depths()
        return
    assert f" {depth} (" in problem
    nearest = int(meant(problem))
    depths = check(entry.options, {**flags, "depth": nearest}).depths()
    assert depth not in depths
    assert abs(nearest - depth) == min(abs(each - depth) for each in depths)


@given(st.integers(-50, 50), st.integers(1, 12), st.integers(1, 30), st.integers(-100, 500))
def test_the_depth_that_is_meant_is_a_nearest_on_any_grid(start, stride, count, depth):
    depths = range(start, start + stride * count, stride)
    problem = depth_problem("Net", depth, depths, "rule")
    if depth in depths:
        assert problem is None
    else:
        nearest = int(meant(problem))
        assert nearest in depths
        assert abs(nearest - depth) == min(abs(each - depth) for each in depths)


def test_the_sentence_for_a_depth_off_the_grid():
    assert depth_problem("ResNet", 57, range(8, 303, 6), "6n+2") == (
        "ResNet has no depth 57 (it has 6n+2 from 8 to 302: ..., 50, 56, 62, 68, ...). Did you mean 56?"
    )
