"""What the network answered is drawn: pictures as half-blocks or with signs, text with tags, what a model writes."""

import pytest
from recorded import RecordedRun
from reskeras_tui.answers import drawn
from reskeras_tui.plots.colours import ColourDepth
from watching import text_of, until, words_of

pytestmark = pytest.mark.any_backend

LEVELS = bytes(range(0, 256, 16))
PICTURE = {"height": 4, "width": 4, "pixels": LEVELS.hex(), "true": 3, "answer": 3}


def events(*samples):
    return {"answers": {"samples": list(samples)}}


def test_pictures_stand_beside_one_another_with_their_answers():
    found = drawn(events(*[PICTURE] * 3, PICTURE | {"answer": 8}), 30, ColourDepth.TRUE, False)
    lines = found.plain.splitlines()
    assert lines[0].split() == ["▀▀▀▀"] * 2, "as many as fit"
    assert lines[2].split() == ["✓", "3", "✓", "3"] and "✗ 8 is 3" in found.plain
    styles = [str(span.style) for span in found.spans if "on #" in str(span.style)]
    assert styles[0] == "#000000 on #333333", "the pixel below is the ground"
    for depth, ascii_only in ((ColourDepth.NONE, False), (ColourDepth.BASIC, False), (ColourDepth.TRUE, True)):
        plain = drawn(events(PICTURE), 30, depth, ascii_only).plain
        assert "▀" not in plain and plain.splitlines()[1].split() == ["**#%"]


def test_texts_have_their_class_tags_or_translation():
    found = drawn(
        events(
            {"text": "a good film", "true": "good", "answer": "bad"},
            {"pieces": ["for", "x"], "true": ["K", "N"], "answer": ["K", "O"]},
            {"text": "two", "true": "zwei", "answer": "zwei"},
        )
        | {"sample": {"epoch": 3, "text": "def \x1b[31mf"}},
        80,
        ColourDepth.TRUE,
        False,
    )
    assert found.plain.splitlines() == [
        "a good film  ✗ bad is good",
        "for/K x/O(✗ N) ",
        "two  ✓ zwei",
        "it writes after epoch 3: def f",
    ]
    assert drawn({}, 80, ColourDepth.TRUE, False) is None


@pytest.mark.parametrize(
    "broken",
    [
        {"samples": 5},
        {"samples": [5, None]},
        {"samples": [PICTURE | {"height": 10**9}, PICTURE | {"pixels": "zz"}, PICTURE | {"width": "x"}]},
        {"samples": [{"pieces": [1, None], "true": 7}]},
    ],
)
def test_answers_from_anywhere_bring_nothing_down(broken):
    drawn({"answers": broken, "sample": {"text": ["x"], "epoch": "y"}}, 0, ColourDepth.TRUE, False)


def test_a_key_shows_them_on_the_screen(bench, tmp_path):
    run = RecordedRun(tmp_path).begin().grow(20)
    run.events.write("answers", samples=[PICTURE, PICTURE | {"answer": 8}])
    run.finish()

    async def story(app, pilot):
        await until(pilot, lambda: "✓ finished" in words_of(app, "#status"))
        assert "✗ 8 is 3" not in text_of(app)
        await pilot.press("o")
        await until(pilot, lambda: "✓ 3" in text_of(app) and "✗ 8 is 3" in text_of(app), "both answers")
        await pilot.press("o")
        await until(pilot, lambda: app.focused is app.screen.query_one("#heatmap"))
        assert "✗ 8 is 3" not in text_of(app)

    bench(story, size=(80, 24), run=run.run)
