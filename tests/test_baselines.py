"""What is right on the embedded data without a network: each number that a data set tells, computed anew."""

import re
from collections import Counter, defaultdict

import numpy as np
import pytest

from reskeras import datasets
from reskeras.datasets import EMBEDDED
from reskeras.datasets.encoding import END, words_of
from reskeras.training.scores import spans

pytestmark = pytest.mark.any_backend

FREE = 2
"""The plane of a board that shows the free fields."""


def commonest(labels, tested) -> float:
    return 100 * float((tested == np.bincount(labels).argmax()).mean())


def regression(data, x_train, x_test) -> float:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=2000).fit(x_train, data.y_train)
    return 100 * model.score(x_test, data.y_test)


def of_numbers(data) -> list[float]:
    """Return what the commonest class and a regression on standardised features have right."""
    flat = [x.reshape(len(x), -1) for x in (data.x_train, data.x_test)]
    mean, deviation = flat[0].mean(0), flat[0].std(0)
    scaled = [(x - mean) / np.where(deviation > 0, deviation, 1) for x in flat]
    return [commonest(data.y_train, data.y_test), regression(data, *scaled)]


def of_texts(data) -> list[float]:
    from scipy.sparse import csr_matrix

    def counts(x):
        rows = np.repeat(np.arange(len(x)), x.shape[1])
        return csr_matrix((np.ones(x.size), (rows, x.ravel())), shape=(len(x), data.vocabulary))[:, 1:]

    found = [counts(x) for x in (data.x_train, data.x_test)]
    return [commonest(data.y_train, data.y_test), regression(data, *found)]


def of_tags(data) -> list[float]:
    known, tested = data.y_train >= 0, data.y_test >= 0
    table = np.zeros((data.vocabulary, data.classes), int)
    np.add.at(table, (words_of(data.x_train)[known], data.y_train[known]), 1)
    usual = np.bincount(data.y_train[known]).argmax()
    chosen = np.where(table.any(1), table.argmax(1), usual)[words_of(data.x_test)]
    name = data.encoding.label
    found = right = wanted = 0
    for row, guess, there in zip(data.y_test, chosen, tested, strict=True):
        true, said = ({*spans([name(int(each)) for each in tags[there]])} for tags in (row, guess))
        found, right, wanted = found + len(said), right + len(true & said), wanted + len(true)
    return [
        commonest(data.y_train[known], data.y_test[tested]),
        100 * float((chosen == data.y_test)[tested].mean()),
        100 * 2 * right / (found + wanted),
    ]


def of_language(data) -> list[float]:
    """Return the bits a character by how common each is behind none, one and two, each counted once more."""
    train, test = (each.reshape(-1) for each in (data.x_train, data.x_test))
    found = []
    for before in range(3):
        counts: dict[bytes, Counter] = defaultdict(Counter)
        for place in range(before, len(train)):
            counts[train[place - before : place].tobytes()][train[place]] += 1
        bits = 0.0
        for place in range(before, len(test)):
            row = counts[test[place - before : place].tobytes()]
            bits -= np.log2((row[test[place]] + 1) / (row.total() + data.vocabulary))
        found.append(bits / (len(test) - before))
    return found


def of_rows(data) -> list[float]:
    known, tested = data.y_train >= 0, data.y_test >= 0
    same = [
        source[source > 0].tolist() == row[(row >= 0) & (row != END)].tolist()
        for source, row in zip(data.x_test["source"], data.y_test, strict=True)
    ]
    return [commonest(data.y_train[known], data.y_test[tested]), 100 * float(np.mean(same))]


def of_game(data) -> list[float]:
    free, best = data.x_test[..., FREE].reshape(-1, 9) > 0, data.y_test["output"] > 0
    anywhere = np.mean([(row & there).sum() / there.sum() for row, there in zip(best, free, strict=True)])
    order = [4, 0, 2, 6, 8, 1, 3, 5, 7]
    first = [next(field for field in order if there[field]) for there in free]
    return [100 * float(anywhere), 100 * float(best[np.arange(len(best)), first].mean())]


COMPUTED = {
    **dict.fromkeys(("digits", "wine", "breast_cancer"), of_numbers),
    "python_text": of_texts,
    "python_tags": of_tags,
    "python_docs": of_language,
    **dict.fromkeys(("copy", "reverse", "sort"), of_rows),
    "tictactoe": of_game,
}


@pytest.mark.parametrize("name", EMBEDDED)
def test_a_baseline_is_what_it_says(name):
    entry = EMBEDDED[name]
    assert entry.source
    # The version of Python is a number too, and F1 is none.
    told = [float(each) for each in re.findall(r"(?<!\w)\d+(?:\.\d+)?", entry.baseline.split(" (Python")[0])]
    found = COMPUTED[name](datasets.load(name))
    # Other versions of Python have other texts.
    near = 0.1 if name == "python_docs" else 1.0
    assert told == pytest.approx(found[: len(told)], abs=near) and len(told) >= 1
