"""Preferences, keys of one's own, themes, the palette with all actions, and terminals with few colours or glyphs."""

import pytest
from click.testing import CliRunner
from recorded import RecordedRun
from reskeras_tui import keymap, preferences
from reskeras_tui.app import ReskerasApp, named_classes
from reskeras_tui.plots import colours
from reskeras_tui.preferences import Preferences
from reskeras_tui.program import main
from reskeras_tui.theme import BY_NAME
from textual.color import Color
from textual.command import CommandPalette
from watching import text_of, until

pytestmark = pytest.mark.any_backend


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    found = preferences.path()
    assert found == tmp_path / "config" / "reskeras" / "tui.toml"
    found.parent.mkdir(parents=True)
    return found


def test_a_file_says_how_it_looks_and_what_keys_it_takes(file):
    assert preferences.load() == Preferences()
    file.write_text('theme = "light"\nglyphs = "ascii"\nrefresh = 2\n[keys]\n"live.stop" = "x"\n')
    assert preferences.load() == Preferences("light", "ascii", 2.0, {"live.stop": "x"})
    assert preferences.load().period == 0.5


@pytest.mark.parametrize(
    "text, said",
    [
        ('theme = "drak"', "theme is one of dark, light; received 'drak'. Did you mean dark?"),
        ("theem = 1", "there is no 'theem' (there are theme, glyphs, refresh, keys). Did you mean theme?"),
        ("refresh = 0", "refresh is a number from 0.2 to 20 a second; received 0."),
        ("refresh = true", "received True"),
        ("theme", "is not TOML"),
        ("keys = 3", "keys is a table of texts"),
        ('[keys]\n"live.stpo" = "x"', "there is no action 'live.stpo'. Did you mean live.stop?"),
        ('[keys]\n"live.stop" = "two words"', "cannot have the key 'two words'"),
        ('[keys]\n"live.stop" = "l"', "live.stop and live.log would both have the key l"),
    ],
)
def test_a_file_that_is_wrong_is_told_with_its_place(file, text, said):
    file.write_text(text)
    with pytest.raises(ValueError) as caught:
        ReskerasApp(file.parent, preferences=preferences.load())
    assert said in str(caught.value) and str(file) in str(caught.value)


def test_the_example_names_every_action_and_reads_as_the_defaults(file):
    done = CliRunner().invoke(main, ["config", "--write"])
    assert done.exit_code == 0 and str(file) in done.output
    assert preferences.load() == Preferences()
    file.write_text("\n".join(line.removeprefix("# ") for line in file.read_text().splitlines()[1:]))
    known = preferences.load()
    assert known.keys["live.stop"] == "s" and known.keys["compare.maps"] == "4"
    # All actions with the keys that they have anyway: nothing clashes.
    assert keymap.keymap(named_classes(), known.keys, file)
    again = CliRunner().invoke(main, ["config", "--write"])
    assert again.exit_code == 2 and "is there already" in again.output


def test_own_keys_hold_and_stand_in_footer_and_help(bench, tmp_path):
    run = RecordedRun(tmp_path).begin().grow(20)
    own = Preferences(keys={"live.pause": "z", "live.runs": "f6"})

    async def story(app, pilot):
        await until(pilot, lambda: "z Pause" in text_of(app), "the footer")
        await pilot.press("p")
        await pilot.press("z")
        await until(pilot, lambda: run.run.requested() == ["pause"])
        await pilot.press("question_mark")
        await until(pilot, lambda: "f6" in text_of(app) and "ctrl+p" in text_of(app))
        await pilot.press("escape", "f6")
        await until(pilot, lambda: app.screen.query("#runs"))

    bench(story, size=(100, 40), app=lambda: ReskerasApp(tmp_path, preferences=own))
    run.close()


def test_the_palette_finds_and_does_what_is_typed(bench, tmp_path):
    run = RecordedRun(tmp_path).begin().grow(20).finish().run

    async def story(app, pilot):
        titles = " ".join(command.title for command in app.get_system_commands(app.screen))
        for word in ("Export", "Replay", "Runs", "Design", "Light/dark", "Quit", "Help"):
            assert word in titles, word
        assert "Stop" not in titles, "it cannot be stopped"
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(app.screen, CommandPalette))
        await pilot.press(*"replay")
        await until(pilot, lambda: "Play the run again" in text_of(app))
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.query("#transport"))

    bench(story, run=run)


def test_the_palette_says_of_actions_what_we_say(bench):
    async def story(app, pilot):
        await until(pilot, lambda: app.screen.query("#option-depth"))
        app.screen.query_one("#option-depth").focus()
        await until(pilot, lambda: app.focused and app.focused.id == "option-depth")
        found = {command.title.split("  (")[0]: command.help for command in app.get_system_commands(app.screen)}
        assert found["Help"] == "Explain this screen" and "Copy command" in found
        # What moves the cursor of a field is nothing to look for by its name.
        assert not any("cursor" in title or "guide" in said or said == title for title, said in found.items())

    bench(story)


def test_light_and_dark(bench, tmp_path):
    run = RecordedRun(tmp_path).begin().grow(20).finish().run

    async def story(app, pilot):
        assert not app.current_theme.dark
        await until(pilot, lambda: "✓ finished" in text_of(app))
        await pilot.press("f8")
        assert app.current_theme.dark

    bench(story, app=lambda: ReskerasApp(tmp_path, run=run, preferences=Preferences(theme="light")))


def test_ascii_alone_draws_every_plot(bench, tmp_path, monkeypatch):
    # Set for all plots of the process by the application that is opened.
    monkeypatch.setattr(colours, "_preferred", "auto")
    runs = [RecordedRun(tmp_path, skip=skip).begin().grow(60).finish().run for skip in ("none", "add")]

    async def story(app, pilot):
        await until(pilot, lambda: "-A-" in text_of(app))
        await pilot.press("2")
        await until(pilot, lambda: app.screen.query_one("#compare-profile").size.height > 5)
        plot = app.screen.query_one("#compare-profile")
        await until(pilot, lambda: len(plot._characters))
        assert plot._characters.max() < 128
        await pilot.press("4")
        maps = app.screen.query("SharedMap")
        await until(pilot, lambda: all(each.legend.isascii() for each in maps))

    own = Preferences(glyphs="ascii")
    bench(story, size=(80, 24), app=lambda: ReskerasApp(tmp_path, compared=runs, preferences=own))


def test_both_themes_keep_text_apart_from_its_ground():
    for theme in BY_NAME.values():
        ground = Color.parse(theme.background)
        for name in ("foreground", "primary", "secondary", "accent", "success", "error"):
            colour = Color.parse(getattr(theme, name))
            assert abs(colour.brightness - ground.brightness) > 0.3, (theme.name, name)
