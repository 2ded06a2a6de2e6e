"""Files of a user's data, written for a test, and what comes of reading them."""

import io

import pytest

from reskeras import datasets
from reskeras.datasets import DataError
from reskeras.datasets.encoding import words_of
from reskeras.reading import Reading


def write(folder, files):
    """Write files, given by name as text, bytes, or None for a folder, and return the folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.mkdir()
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content, "utf-8")
    return folder


def load(data, **reading):
    found = datasets.load(str(data), Reading(**reading))
    assert datasets.describe(str(data), Reading(**reading)) == found.shape
    return found


def refusal(data, **reading):
    """Return what both ways of looking at a data set say against it, which must be the same."""
    said = []
    for ask in (datasets.describe, datasets.load):
        with pytest.raises(DataError) as caught:
            ask(str(data), Reading(**reading))
        said.append(str(caught.value))
    assert said[0] == said[1]
    return said[0]


def texts(data, part):
    return [data.encoding.text.decode(row) for row in words_of(getattr(data, f"x_{part}"))]


def named(data, part):
    return [data.encoding.label(number) for number in getattr(data, f"y_{part}")]


IRIS = "5.1,3.5,red,setosa\n6.1,2.5,blue,virginica\n5.0,3.4,red,setosa\n6.0,2.6,blue,virginica\n"
REVIEWS = "good film\tyes\nbad film\tno\nfine play\tyes\npoor play\tno\n"
TAGGED = "the B-x\ncat I-x\n\nsat O\n\nhere O\nnow B-x\n"


def parquet_of(tmp_path, **columns):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from pyarrow import parquet

    path = tmp_path / "table.parquet"
    parquet.write_table(pyarrow.table(columns), path)
    return path


def image_bytes(size=(4, 6), colour=(200, 30, 60), mode="RGB", kind="PNG"):
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    found = io.BytesIO()
    shown = image.new("RGB", size, colour)
    shown.convert(mode).save(found, kind)
    return found.getvalue()
