"""The form holds every declared option, and says what is wrong where it is wrong."""

import asyncio
import shlex
from dataclasses import replace

import pytest
from reskeras_tui.command_line import command_line
from reskeras_tui.screens.design import checked
from reskeras_tui.widgets.data_suggester import DataSuggester
from reskeras_tui.widgets.field import OptionField
from reskeras_tui.widgets.form import DesignForm, FormValues, help_text
from reskeras_tui.widgets.preset_field import OWN
from textual.events import Key
from textual.widgets import Button, Input, Select, Switch
from watching import text_of, until, words_of

from reskeras import datasets
from reskeras.architectures import Preset
from reskeras.catalogue import ARCHITECTURES
from reskeras.options import describe
from reskeras.recipes import RECIPES
from reskeras.request import check_request, default_data
from reskeras.runs import TrainingOptions

pytestmark = pytest.mark.any_backend

OURS = {name: entry for name, entry in ARCHITECTURES.items() if not entry.extra}
"""Those that need no extra."""

CONTROLS = {"choice": Select, "flag": Switch, "integer": Input, "number": Input, "text": Input}


def test_every_option_of_every_architecture_has_a_field(bench):
    async def story(app, pilot):
        training = _at_first(TrainingOptions, "training")
        for name, entry in OURS.items():
            options, data = _at_first(entry.options, "option"), default_data(entry)
            assert check_request(name, options, {**training, "data": data}) == check_request(name, {}, {})

    bench(story, listed=True)


def _at_first(options, group):
    """Return what a new field of each option says; a choice has no value before it is on a screen."""
    said = {}
    for option in describe(options):
        field = OptionField(option, group=group)
        assert isinstance(field.control, CONTROLS[option.kind]), option
        if option.kind == "choice":
            assert field.control.choices == option.choices
        said[option.name] = option.default if option.kind == "choice" else field.value
    return said


def test_other_families_come_with_their_own_options_and_data(bench):
    async def story(app, pilot):
        form = app.screen.query_one(DesignForm)
        for name in (list(OURS)[-1], "gpt", "plain"):
            entry = ARCHITECTURES[name]
            app.screen.query_one("#architecture", Select).value = name
            await until(pilot, lambda name=name: form.architecture == name, f"the options of {name}")
            for group, options in (("option", entry.options), ("training", TrainingOptions)):
                assert all(app.screen.query(f"#{group}-{option.name}") for option in describe(options))
            await until(pilot, lambda: "ready" in words_of(app, "#start-message"), f"{name} with its defaults")
            await until(pilot, lambda: not app.screen.query_one("#start", Button).disabled, name)
            assert check_request(*form.values()) == check_request(name, {}, {})
            assert entry.summary in words_of(app, "#architecture-summary")

    bench(story, size=(160, 48))


PROBLEMS = (
    ("training-epochs", "0", "Did you mean 1?"),
    ("training-learning_rate", "-1", "greater than 0"),
    ("training-validation_split", "nan", "finite"),
    ("training-data", "diggits", "Did you mean digits?"),
    ("training-data", "/nowhere/x.npz", "There is no file"),
    ("option-width", "", "whole number"),
)
"""Controls, values that are wrong, and what is said of each."""


def test_a_bad_value_is_explained_at_its_field_until_it_is_mended(bench):
    async def story(app, pilot):
        depth = app.screen.query_one("#option-depth", Input)
        field = depth.query_ancestor(OptionField)
        start = app.screen.query_one("#start", Button)
        good = depth.value
        depth.focus()
        await pilot.press("end", "x")
        await until(pilot, lambda: field.problem, "the problem")
        assert "whole number" in field.problem and f"'{good}x'" in field.problem
        assert start.disabled and "✗" in text_of(app) and "whole number" in text_of(app)
        assert app.screen.query_one("#design-right").has_class("-stale")
        await pilot.press("backspace")
        await until(pilot, lambda: not field.problem, "the all-clear")
        assert not start.disabled and "✗" not in text_of(app)

        for name, value, part in PROBLEMS:
            control = app.screen.query_one(f"#{name}", Input)
            good, control.value = control.value, value
            field = control.query_ancestor(OptionField)
            await until(pilot, lambda field=field, part=part: part in field.problem, part)
            if name == PROBLEMS[0][0]:
                app.screen.query_one("#architecture").focus()
                await pilot.press("ctrl+s")
                assert app.focused is control, "start leads to what is in the way"
            control.value = good
            await until(pilot, lambda field=field: not field.problem, "the all-clear")
        assert not list(app.runs.iterdir())

    bench(story)


@pytest.fixture
def presets(monkeypatch):
    """Two networks of papers in the family that the form shows first."""
    name, family = next(iter(ARCHITECTURES.items()))
    made = (
        Preset("deep-one", {"depth": 44, "skip": "none"}, (32, 32, 3), 10, 1),
        Preset("quiet-one", {"depth": 26, "width": 8, "silent_start": True}, (32, 32, 3), 10, 2),
    )
    monkeypatch.setitem(ARCHITECTURES, name, replace(family, presets=made))
    return made


def test_a_preset_fills_in_the_options_and_leaves_when_they_change(bench, presets):
    async def story(app, pilot):
        form, choice = app.screen.query_one(DesignForm), app.screen.query_one("#preset", Select)
        depth, silent = app.screen.query_one("#option-depth", Input), app.screen.query_one("#option-silent_start")
        defaults = form.values().options
        assert choice.value == OWN
        for preset in (*presets, presets[0]):
            choice.value = preset.name
            await until(pilot, lambda preset=preset: depth.value == str(preset.options["depth"]), preset.name)
            wanted = {**defaults, **{name: _as_typed(value) for name, value in preset.options.items()}}
            await until(pilot, lambda wanted=wanted: form.values().options == wanted, "all options")
            assert choice.value == preset.name
        app.screen.query_one("#option-skip", Select).value = "add"
        await until(pilot, lambda: choice.value == OWN, "options that are no preset's")
        assert depth.value == "44" and not silent.value
        app.screen.query_one("#option-skip", Select).value = "none"
        await until(pilot, lambda: choice.value == "deep-one", "the preset that the options make")
        # Recipes do the same to the training options; of one that is given up only what was changed stays.
        training, recipe = form.values().training, app.screen.query_one("#training-recipe", Select)
        for name in ("cifar", "gpt"):
            recipe.value = name
            values = RECIPES[name].values
            wanted = {**training, "recipe": name, **{each: _as_typed(value) for each, value in values.items()}}
            await until(pilot, lambda wanted=wanted: form.values().training == wanted, f"the recipe {name}")
        app.screen.query_one("#training-square_momentum", Input).value = "0.9"
        recipe.value = "none"
        wanted = {**training, "square_momentum": "0.9"}
        await until(pilot, lambda: form.values().training == wanted, "the options of before")

    bench(story, size=(160, 48))


def _as_typed(value):
    return value if isinstance(value, (bool, str)) else typed(value)


def test_what_was_typed_and_the_preset_are_found_again_with_their_family(bench, presets):
    async def story(app, pilot):
        form, choice = app.screen.query_one(DesignForm), app.screen.query_one("#architecture", Select)
        first, second = list(ARCHITECTURES)[:2]
        app.screen.query_one("#preset", Select).value = "quiet-one"
        await until(pilot, lambda: app.screen.query_one("#option-depth", Input).value == "26")
        choice.value = second
        await until(pilot, lambda: form.architecture == second)
        app.screen.query_one("#option-width", Input).value = "7"
        choice.value = first
        await until(pilot, lambda: form.architecture == first)
        await until(pilot, lambda: app.screen.query_one("#preset", Select).value == "quiet-one", "the preset")
        choice.value = second
        await until(pilot, lambda: form.architecture == second)
        assert app.screen.query_one("#option-width", Input).value == "7"

    bench(story)


def test_arrow_keys_walk_the_form_and_turn_choices(bench):
    async def story(app, pilot):
        await until(pilot, lambda: app.focused.id == "architecture")
        names = list(ARCHITECTURES)
        await pilot.press("right")
        await until(pilot, lambda: app.screen.query_one(DesignForm).architecture == names[1])
        await pilot.press("left")
        await until(pilot, lambda: app.screen.query_one(DesignForm).architecture == names[0])
        below = app.screen.query_one(DesignForm).fields()[1].control.id
        await pilot.press("down")
        await until(pilot, lambda: app.focused.id == below)
        await pilot.press("up")
        await until(pilot, lambda: app.focused.id == "architecture")
        await _type_at_once(app, pilot)
        # The help is that of the field that has the focus.
        first, *_, last = describe(TrainingOptions)
        for option in (last, first):
            app.screen.query_one(f"#training-{option.name}").focus()
            await until(pilot, lambda option=option: option.help in words_of(app, "#field-help"), option.name)

    bench(story)


async def _type_at_once(app, pilot):
    """Keys that arrive in one piece act in their order."""
    to_depth = ["down"] * (2 if ARCHITECTURES[app.screen.query_one(DesignForm).architecture].presets else 1)
    for key in (*to_depth, "end", "backspace", "backspace", "1", "4", "tab", "home", "9", "up"):
        app.post_message(Key(key, key if len(key) == 1 else None))
    await until(pilot, lambda: app.screen.query_one("#option-depth", Input).value == "14", "14")
    await until(pilot, lambda: app.screen.query_one("#option-width", Input).value == "916", "916")
    await until(pilot, lambda: app.focused.id == "option-depth", "the way back")


def test_the_name_of_the_focused_field_stands_out(bench):
    def names_in_bold(app):
        fields = app.screen.query_one(DesignForm).fields()
        return [field.control.id for field in fields if field.query_one(".field-name").styles.text_style.bold]

    async def story(app, pilot):
        await until(pilot, lambda: names_in_bold(app) == ["architecture"], "the first")
        await pilot.press("tab")
        await until(pilot, lambda: names_in_bold(app) == [app.focused.id] != ["architecture"], "the next")

    bench(story)


def test_all_options_have_help():
    for options in (TrainingOptions, *(entry.options for entry in ARCHITECTURES.values())):
        assert all(option.help in help_text(option) for option in describe(options))


def test_backends_that_are_missing_say_how_to_get_them(bench, monkeypatch):
    monkeypatch.setattr("reskeras.installed.installed_backends", lambda: ["jax"])

    async def story(app, pilot):
        control = app.screen.query_one("#training-backend", Select)
        control.value = "torch"
        field = control.query_ancestor(OptionField)
        await until(pilot, lambda: "pip install" in field.problem)

    bench(story)


def typed(value) -> str:
    """Return a value as somebody would type it."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def test_the_command_holds_what_differs_from_the_defaults():
    for name, entry in OURS.items():
        assert shlex.split(command_line(check_request(name, {}, {}))) == ["reskeras", "train", name]
        # The words, and how many of them are read, are no fewer than the data has.
        wanted = {**entry.tiny, **{key: 9000 for key in ("vocabulary", "positions") if key in entry.tiny}}
        request = check_request(name, wanted, {"steps": 3, "learning_rate": 0.01})
        words = shlex.split(command_line(request, "a folder"))
        assert words[-2:] == ["--runs", "a folder"]
        given = dict(zip(words[3:-2:2], words[4:-2:2], strict=True))
        assert given.pop("--steps") == "3" and given.pop("--learning-rate") == "0.01"
        defaults = {option.flag: typed(option.default) for option in describe(entry.options)}
        tiny = {"--" + key.replace("_", "-"): typed(value) for key, value in wanted.items()}
        assert given == {flag: value for flag, value in tiny.items() if defaults[flag] != value}
    # Beside a recipe, what is not the recipe's.
    request = check_request("resnet", {}, {"recipe": "cifar", "epochs": 5, "batch_size": 32})
    words = ["reskeras", "train", "resnet", "--recipe", "cifar", "--epochs", "5", "--batch-size", "32"]
    assert shlex.split(command_line(request)) == words


def test_an_edit_has_the_data_described_once(monkeypatch):
    looked, describe_data = [], datasets.describe
    monkeypatch.setattr(datasets, "describe", lambda *words: looked.append(words) or describe_data(*words))
    found = checked(FormValues("bert", {"depth": "2"}, {"data": "python_text"}))
    assert not found.problems and found.costs and "--depth 2" in command_line(found.request)
    assert len(looked) == 1


def test_files_of_every_kind_that_is_read_are_suggested(tmp_path):
    def suggested(beginning):
        return asyncio.run(DataSuggester().get_suggestion(str(tmp_path / beginning)))

    readable = ("a.npz", "b.csv", "c.parquet", "d.tsv.gz", "e.conllu", "f.txt", "g.md")
    for name in (*readable, "x.npz.gz", "y.parquet.gz", "z.keras", ".hidden.txt"):
        (tmp_path / name).touch()
    (tmp_path / "pictures").mkdir()
    assert [suggested(name[0]) for name in readable] == [str(tmp_path / name) for name in readable]
    assert [suggested(letter) for letter in "xyz"] == [None] * 3
    assert suggested("p") == f"{tmp_path / 'pictures'}/" and suggested(".h") == str(tmp_path / ".hidden.txt")
    assert asyncio.run(DataSuggester().get_suggestion("python_te")) == "python_text"
