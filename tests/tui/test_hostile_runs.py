"""Runs from anywhere on the screens of the terminal UI: nothing in them steers the terminal or brings it down."""

import json
import unicodedata

import numpy as np
import pytest
from norms import weights_header, write_norms
from script_runs import ScriptRun
from watching import text_of, until, words_of

from reskeras.runs.tables import TableWriter

pytestmark = pytest.mark.any_backend

EVIL = "\x1b[2Jred\u202egnp\x9b31m\u2028[/bold][link=x]"


def check_screen(app):
    for sign in text_of(app):
        assert sign == "\n" or unicodedata.category(sign) not in ("Cc", "Cs", "Cf", "Zl", "Zp"), repr(sign)


def hostile(folder, **facts):
    """Make a run that has failed, whose every text steers a terminal."""
    script = ScriptRun(folder, layers=1)
    script.weights = TableWriter(folder / "blocks", weights_header([(f"{EVIL}/kernel", EVIL)]))
    (folder / "weights.json").unlink()
    (folder / "blocks.json").rename(folder / "weights.json")
    (folder / "blocks.rows").unlink(missing_ok=True)
    script.weights = TableWriter(folder / "weights", weights_header([(f"{EVIL}/kernel", EVIL)]))
    write_norms(script.weights, np.arange(1, 9), np.ones((8, 1)))
    script.step = 8
    script.grow([1.0])
    script.epoch(1, loss=0.5, **{EVIL: 0.25})
    script.events.write("training", backend=EVIL, device=EVIL, device_name=EVIL, **facts)
    script.events.write("end", status="failed", code=1, reason=EVIL)
    settings = {"format": 2, "model": EVIL, "kind": EVIL, "optimizer": EVIL}
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "log.txt").write_bytes(EVIL.encode() + b"\nplain\n" + b"x" * 100_000 + b"\n")
    return script.close().run


def test_a_run_full_of_control_sequences_is_shown_harmless(bench, tmp_path):
    run = hostile(tmp_path / EVIL.replace("/", ""))

    async def story(app, pilot):
        await until(pilot, lambda: app.screen.query_one("#runs").row_count == 1)
        check_screen(app)
        await pilot.press("enter")
        await until(pilot, lambda: "failed" in text_of(app))
        for key in ("l", "b", "question_mark"):
            await pilot.press(key)
            await pilot.pause()
            check_screen(app)

    bench(story, size=(120, 40), listed=True)
    assert run.state() == "failed"


FACTS = [{"steps": -1, "epochs": "x"}, {"steps": 10**400, "parameters": [1]}, {"steps": None, "time": "x"}]


def test_facts_that_are_not_what_they_should_be_leave_the_screen_standing(bench, tmp_path):
    runs = [hostile(tmp_path / f"mine{number}") for number in range(len(FACTS))]
    for run, facts in zip(runs, FACTS, strict=True):
        with run.events_path.open("a") as log:
            log.write(json.dumps({"time": 1e300, "event": "training", **facts}) + "\n")
            log.write(json.dumps({"event": "epoch", "epoch": -5, "step": 2.5, "time": 0, "loss": "x"}) + "\n")

    async def story(app, pilot):
        await until(pilot, lambda: app.screen.query_one("#runs").row_count == len(FACTS))
        check_screen(app)
        for run in runs:
            app.show_run(run)
            await until(pilot, lambda run=run: run.name in words_of(app, "#status") and "failed" in text_of(app))
            check_screen(app)

    bench(story, size=(120, 40), listed=True)


def test_a_message_with_markup_is_shown_as_it_is(bench, tmp_path):
    async def story(app, pilot):
        app.open_run("[bold]odd")
        await until(pilot, lambda: app._notifications)
        [notice] = app._notifications
        assert "'[bold]odd'" in notice.message and not notice.markup

    bench(story, listed=True)
