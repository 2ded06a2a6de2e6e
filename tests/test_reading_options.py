"""Options of how data is read: each changes what is read, or is refused with what the data set goes by."""

import numpy as np
import pytest
from data_files import REVIEWS, image_bytes, load, write

from reskeras import datasets
from reskeras.datasets import EMBEDDED, KNOWN
from reskeras.options import OptionError
from reskeras.reading import Reading

pytestmark = pytest.mark.any_backend

GIVEN = {"task": "tags", "vocabulary_size": 300, "length": 7, "label": "x", "image_size": 9, "test_split": 0.5}


def refused(data, **options):
    """Return what is said against an option, alike where a data set is described and where it is loaded."""
    said = []
    for ask in (datasets.describe, datasets.load):
        with pytest.raises(OptionError) as caught:
            ask(str(data), Reading(**options))
        said.append(caught.value.problems)
    assert said[0] == said[1] and set(said[0]) == set(options)
    return " ".join(said[0].values())


@pytest.mark.parametrize("name", [*EMBEDDED, *KNOWN])
def test_what_changes_nothing_of_a_set_with_a_name_is_refused(name):
    shape = {**EMBEDDED, **KNOWN}[name].shape
    text = {"vocabulary_size", "length"}
    takes = text if (EMBEDDED[name].read if name in EMBEDDED else shape.vocabulary) else set()
    for option, value in GIVEN.items():
        if option in takes or (option, value) == ("task", shape.task):
            continue
        said = refused(name, **{option: value})
        if option == "task":
            assert said.endswith(f"{name} is for {shape.task}. Did you mean task={shape.task}?")
        else:
            assert "It goes by" in said if takes else said.endswith(f"Leave {option} out.")


@pytest.mark.parametrize("name", ["copy", "reverse", "sort", "wine"])
def test_a_level_that_there_is_not_of_a_set_is_refused(name):
    wanted = EMBEDDED[name].level
    said = refused(name, level="bytepair")
    assert said.endswith(f"Did you mean level={wanted}?" if wanted else "Leave level out.")
    if wanted:
        assert datasets.describe(name, Reading(level=wanted)) == EMBEDDED[name].shape


def test_what_changes_nothing_of_a_file_is_refused(tmp_path):
    arrays = {"x_train": np.zeros((4, 3)), "y_train": [0, 1, 0, 1], "x_test": np.zeros((2, 3)), "y_test": [0, 1]}
    np.savez(tmp_path / "a.npz", **arrays)
    rows = "".join(f"{n},{n % 2}\n" for n in range(8))
    lines = "".join(f"some {n}\t{n % 2}\n" for n in range(8))
    write(tmp_path, {"n.csv": rows, "t.tsv": lines, "t.txt": "to be or not to be, that is the question\n" * 9})
    write(tmp_path, {f"pets/{kind}/{n}.png": image_bytes() for kind in ("cat", "dog") for n in range(3)})
    for name, options in {
        "a.npz": ("level", "label", "image_size", "test_split", "length"),
        "n.csv": ("level", "image_size", "vocabulary_size", "length"),
        "t.tsv": ("image_size",),
        "t.txt": ("label", "image_size"),
        "pets": ("level", "label", "length"),
    }.items():
        for option in options:
            refused(tmp_path / name, **{option: GIVEN.get(option, "characters")})
    assert "It goes by label, test_split." in refused(tmp_path / "n.csv", length=9)
    with pytest.raises(OptionError, match="at level bytes, of which there are 256"):
        load(tmp_path / "t.txt", level="bytes", vocabulary_size=9)
    assert load(tmp_path / "pets", image_size=3, test_split=0.5).shape.input_shape == (3, 3, 3)


@pytest.mark.parametrize(
    ("files", "name", "tested"),
    [
        ({"r_train.tsv": REVIEWS, "r_test.tsv": REVIEWS}, "r_train.tsv", "r_test.tsv"),
        ({f"f/{part}/{label}/1.txt": "x" for part in ("train", "test") for label in "ab"}, "f", "f/test"),
        ({f"{part}.{end}": "one\ntwo\n" for part in ("train", "dev") for end in ("en", "de")}, "", "dev.en"),
    ],
)
def test_a_share_for_the_test_is_refused_where_there_is_a_test(tmp_path, files, name, tested):
    write(tmp_path, files)
    told = refused(tmp_path / name, test_split=0.5)
    assert f"which is tested on {tmp_path}/{tested}; received 0.5. Leave test_split out" in told
    # What the files do not say, and what was never given, is no matter.
    assert load(tmp_path / name).shape.test
