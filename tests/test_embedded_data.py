"""The data sets that come with the package: each is what it says, has not moved, and is what its task asks for."""

import itertools
from collections import Counter

import numpy as np
import pytest

from reskeras import datasets
from reskeras.datasets import EMBEDDED, DataError, python_source, python_tags, sequences, tictactoe
from reskeras.datasets.dataset import first
from reskeras.datasets.encoding import END, START, words_of
from reskeras.tasks import TASKS

pytestmark = pytest.mark.any_backend


def of_task(*tasks):
    return [name for name, entry in EMBEDDED.items() if entry.shape.task in tasks]


def each(arrays):
    return arrays.values() if isinstance(arrays, dict) else [arrays]


def rows(dataset, part):
    """Return each sample of a part as one text of bytes."""
    arrays = list(each(getattr(dataset, f"x_{part}")))
    return [b"".join(array[row].tobytes() for array in arrays) for row in range(len(arrays[0]))]


@pytest.mark.parametrize("name", EMBEDDED)
def test_an_embedded_data_set_is_what_its_declaration_says(name):
    data = datasets.load(name)
    assert data.shape == datasets.describe(name)
    for part in ("train", "test"):
        x, y = getattr(data, f"x_{part}"), getattr(data, f"y_{part}")
        assert {len(array) for array in (*each(x), *each(y))} == {getattr(data.shape, part)}
        if data.vocabulary:
            assert all(array.dtype == np.int32 and array.max() < data.vocabulary for array in each(x))
            assert data.encoding.length == first(x).shape[1]
            assert data.encoding.text.vocabulary == data.vocabulary
    again = datasets.load(name)
    for key in ("x_train", "y_train", "x_test", "y_test"):
        both = zip(each(getattr(data, key)), each(getattr(again, key)), strict=True)
        assert all(np.array_equal(one, other) for one, other in both)


def test_there_is_a_data_set_for_every_task():
    assert {entry.shape.task for entry in EMBEDDED.values()} == set(TASKS)


@pytest.mark.parametrize("name", of_task("classes", "tags"))
def test_every_class_and_tag_is_in_training_and_test(name):
    data = datasets.load(name)
    for labels in (data.y_train, data.y_test):
        assert labels.dtype == np.int32
        assert set(labels[labels >= 0].tolist()) == set(range(data.classes))
    assert len(data.encoding.labels) in (0, data.classes)


@pytest.mark.parametrize("name", [name for name in EMBEDDED if name not in ("python_text", "python_docs")])
def test_no_sample_of_the_test_is_trained_on(name):
    data = datasets.load(name)
    if name == "python_tags":
        # Different lines may have the same numbers where words are unknown.
        return
    assert not set(rows(data, "train")) & set(rows(data, "test"))


def test_a_tag_stands_where_a_word_does():
    data = datasets.load("python_tags")
    words = words_of(data.x_train)
    assert np.array_equal(words > 0, data.y_train >= 0)
    # Every word has characters, of which there are none behind the words.
    assert np.array_equal(words > 0, data.x_train[:, :, 1] > 0)


def test_the_tags_of_a_line_are_what_python_reads():
    source = 'def f(x):  # the answer\n    return g("for " + x.y, 4.2, 7)\n'
    lines = list(python_tags.tagged_lines(source))
    assert [list(zip(*line, strict=True)) for line in lines] == [
        [
            *(("def", "B-keyword"), ("f", "B-definition"), ("(", "O"), ("x", "B-name"), (")", "O"), (":", "O")),
            *(("#", "B-comment"), ("the", "I-comment"), ("answer", "I-comment")),
        ],
        [
            *(("return", "B-keyword"), ("g", "B-call"), ("(", "O")),
            *(('"', "B-string"), ("for", "I-string"), ('"', "I-string"), ("+", "O")),
            *(("x", "B-name"), (".", "O"), ("y", "B-attribute"), (",", "O")),
            *(("4", "B-number"), (".", "I-number"), ("2", "I-number"), (",", "O"), ("7", "B-number"), (")", "O")),
        ],
    ]


def test_an_f_string_is_one_string_in_every_version_of_python():
    ((words, tags),) = python_tags.tagged_lines("say(f'a {b + c} d {f\"{x}\"}', e)\n")
    assert words[2:4] == ("f", "'")
    inside = len(words) - 5
    assert tags == ("B-call", "O", "B-string", *(inside - 1) * ["I-string"], "O", "B-name", "O")


def test_lines_inside_a_text_over_several_lines_are_left_out():
    assert list(python_tags.tagged_lines('x = """one two three four\nfive six seven eight\nnine ten"""\n')) == []


def test_the_text_of_a_language_model_is_whole_and_its_labels_one_token_on():
    data = datasets.load("python_docs")
    for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
        flat = x.reshape(-1)
        assert np.array_equal(flat[1:], y.reshape(-1)[:-1])
        assert (flat == 1).mean() < 0.001
    assert "Return" in data.encoding.text.decode(data.x_test.reshape(-1))


@pytest.mark.parametrize("rule", sequences.RULES)
def test_a_made_up_translation_follows_its_rule(rule):
    data = datasets.load(rule)
    codec = data.encoding.text
    for source, samples, target in zip(*data.x_test.values(), data.y_test, strict=True):
        row, answer = codec.decode(source), codec.decode(target[target >= 0])
        assert answer == {"copy": row, "reverse": row[::-1], "sort": "".join(sorted(row))}[rule]
        assert target[len(answer)] == END
        assert (target[len(answer) + 1 :] == -1).all()
        assert samples[0] == START
        assert codec.decode(samples) == answer
    assert {codec.decode(source) for source in data.x_test["source"][:3]} == {"abjfjcieide", "jchbedbci", "ddfdfj"}


def test_tic_tac_toe_is_all_of_the_game():
    assert len(tictactoe.positions()) == 5_478
    data = datasets.load("tictactoe")
    assert len(set(rows(data, "train")) | set(rows(data, "test"))) == 4_520
    assert tictactoe.worth((0,) * 9) == 0
    assert tictactoe.best_moves((0,) * 9) == tuple(range(9))
    # After a corner is taken, the centre alone holds the draw.
    assert tictactoe.best_moves((-1, *8 * (0,))) == (4,)
    # Two in a row and the turn: won at once, or in the end by a fork.
    assert 2 in tictactoe.best_moves((1, 1, 0, -1, -1, 0, 0, 0, 0))
    assert tictactoe.worth((1, 1, 0, -1, -1, 0, 0, 0, 0)) == 1


def test_the_worth_of_every_position_is_what_its_best_move_leads_to():
    data = datasets.load("tictactoe")
    assert data.encoding.labels == tuple(f"{column}{row}" for row, column in itertools.product((3, 2, 1), "abc"))
    planes, policy, value = data.x_train, data.y_train["output"], data.y_train["value"]
    assert (planes.sum(-1) == 1).all()
    assert policy.sum(1) == pytest.approx(1)
    assert not policy[planes[..., 2].reshape(-1, 9) == 0].any()
    assert Counter(value.reshape(-1).tolist()).keys() == {-1.0, 0.0, 1.0}
    # A position is worth the same however it is turned, and all its likenesses are on one side of the split.
    test = set(rows(data, "test"))
    turned = np.ascontiguousarray(np.rot90(data.x_test, 1, (1, 2)))
    mirrored = np.ascontiguousarray(data.x_test[:, ::-1])
    assert {each.tobytes() for each in turned} | {each.tobytes() for each in mirrored} == test


def test_a_python_without_its_source_says_so(monkeypatch, tmp_path):
    python_source.library.cache_clear()
    monkeypatch.setattr(python_source.sysconfig, "get_path", lambda _: str(tmp_path))
    with pytest.raises(DataError, match=f"standard library is not there: {tmp_path} lacks asyncio, email"):
        datasets.load("python_docs")
    python_source.library.cache_clear()
