"""A screen on which only what has changed is painted looks as one that is painted as a whole."""

import pytest
from recorded import RecordedRun
from reskeras_tui.repainting import ChangesOnly
from watching import until, words_of

pytestmark = pytest.mark.any_backend


def cells(strip) -> list[tuple]:
    """Return the characters of a strip with what is to be seen of their styles."""
    return [(char, style and (style.color, style.bgcolor, style.bold)) for text, style, _ in strip for char in text]


def test_pieces_make_up_the_whole(bench, tmp_path, monkeypatch):
    canvas, painted = [], []
    partial, full = ChangesOnly.render_partial_update, ChangesOnly.render_full_update

    def paint_all(compositor, **options):
        update = full(compositor, **options)
        canvas[:] = [[cell for strip in line for cell in cells(strip)] for line in update.strips]
        return update

    def paint_changes(compositor):
        update = partial(compositor)
        painted[:] = update.pieces if update else []
        for line, column, strip in painted:
            canvas[line][column : column + strip.cell_length] = cells(strip)
        return update

    monkeypatch.setattr(ChangesOnly, "render_full_update", paint_all)
    monkeypatch.setattr(ChangesOnly, "render_partial_update", paint_changes)
    run = RecordedRun(tmp_path, layers=30, probes=True).begin().grow(100)

    async def story(app, pilot):
        async def same(what):
            await until(pilot, lambda: canvas == [*map(cells, app.screen._compositor.render_strips())], what)

        await until(pilot, lambda: "step 100 of 200" in words_of(app, "#status"))
        await same("the beginning")
        for key in ("down", "pagedown", "v", "m", "v", "o", "o", "b", "enter", "l", "c"):
            await pilot.press(key)
            run.grow(2)
            await same(key)
        step = run.step
        run.grow(1)
        await until(pilot, lambda: f"step {step + 1} of 200" in words_of(app, "#status"))
        await same("one more step")
        assert painted and all(line > 0 for line, _, _ in painted), "the line at the top has not changed"

    bench(story, size=(140, 40), run=run.run)
    run.close()
