"""Each screen at three sizes in three kinds of terminal, cell by cell as it is known to look."""

import difflib
import itertools

import pytest
import textual
from snapshots import FOLDER, TERMINALS, drawn, together

pytestmark = pytest.mark.any_backend

MOST_LINES = 60
"""Lines of a difference that are shown."""


@pytest.fixture(scope="module")
def pictures() -> dict[str, dict[str, str]]:
    """All pictures as they are drawn now, of each kind of terminal."""
    return drawn()


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.txt")))
def test_screens_look_as_they_are_known(pictures, name):
    known, now = (FOLDER / f"{name}.txt").read_text("utf-8"), together(pictures, name)
    made_with = known.split("\n", 1)[0]
    if made_with != f"textual {textual.__version__}":
        pytest.skip(f"the pictures were made with {made_with}, which may draw otherwise than {textual.__version__}")
    if now != known:
        lines = difflib.unified_diff(known.splitlines(), now.splitlines(), "known", "now", lineterm="", n=0)
        shown = [next(lines, "") for _ in range(MOST_LINES)]
        pytest.fail("\n".join([f"{name}: if this is meant, remake it: python tests/tui/snapshots.py", *shown]))


def test_there_is_a_picture_of_every_screen(pictures):
    assert set(pictures) == set(TERMINALS)
    assert all(sorted(each) == sorted(path.stem for path in FOLDER.glob("*.txt")) for each in pictures.values())


def test_terminals_without_colour_are_sent_none():
    text = (FOLDER / "compare-80x24.txt").read_text("utf-8")
    colour, none, ansi = (part.split("\n\na = ", 1)[1] for part in text.split("== ")[1:])
    assert "38;2" in colour and "38;2" not in ansi and "38;5" not in ansi
    # Runs are told apart by letters where there is no colour for them.
    assert all("─A─" in part and "─B─" in part for part in text.split("== ")[1:])
    # NO_COLOR leaves greys.
    for codes in none.split():
        numbers = codes.split(";")
        for place, (first, second) in enumerate(itertools.pairwise(numbers)):
            if first in ("38", "48") and second == "2":
                assert len(set(numbers[place + 2 : place + 5])) == 1, codes
