"""What a trained network is worth on its test samples, besides loss and accuracy."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import keras
import numpy as np

from reskeras.datasets.dataset import Dataset
from reskeras.datasets.encoding import END
from reskeras.decoding import scores_of, translated
from reskeras.training.objectives import NO_LABEL

MOST_TRANSLATED = 1000
"""Test samples that are translated: as many as the usual tests have, for each token takes the network once."""

LONGEST_GRAM = 4


def translations(network: keras.Model, data: Dataset) -> list[list[int]]:
    """Return what a translator, which gives logits, writes for the first test samples, decoded greedily; of other
    tasks, nothing."""
    if data.task != "translation":
        return []
    return translated(scores_of(network, logits=True), data.x_test["source"][:MOST_TRANSLATED])


def scores(network: keras.Model, data: Dataset, loss: float, written: Sequence[Sequence[int]]) -> dict[str, float]:
    """Return the scores of a task, by the names in `tasks.TASKS`; of translations also how many were `translated`.

    Args:
        network: the trained network, which gives logits.
        data: the data set.
        loss: on all test samples.
        written: its `translations`.
    """
    if data.task == "tags":
        return _tag_scores(network, data)
    if data.task == "language":
        return _language_scores(data, loss)
    if data.task == "translation":
        return _translation_scores(data, written)
    return {}


def _language_scores(data: Dataset, loss: float) -> dict[str, float]:
    """Return perplexity, e to the loss, and bits for each character of the test text: for each byte where tokens are
    bytes."""
    # A loss that is lost makes no number.
    found = {"perplexity": math.exp(min(loss, 700.0)) if math.isfinite(loss) else math.nan}
    labels = data.y_test[data.y_test != NO_LABEL]
    if data.encoding.text is not None and len(labels):
        signs = len(labels) if data.encoding.text.level == "bytes" else len(data.encoding.text.decode(labels))
        found["bits_per_character"] = loss * len(labels) / max(signs, 1) / math.log(2)
    return found


def _tag_scores(network: keras.Model, data: Dataset) -> dict[str, float]:
    """Return the F1 of spans, where tags are `B-` and `I-` of a kind, and `O`."""
    names = data.encoding.labels
    if not any(name.startswith("B-") for name in names):
        return {}
    chosen = network.predict(data.x_test, batch_size=64, verbose=0).argmax(-1)
    found = right = wanted = 0
    for labels, tags in zip(data.y_test, chosen, strict=True):
        known = labels != NO_LABEL
        true, guessed = (spans([names[each] for each in row[known]]) for row in (labels, tags))
        found, right, wanted = found + len(guessed), right + len(true & guessed), wanted + len(true)
    return {"f1": 2 * right / (found + wanted) if found + wanted else 1.0}


def spans(tags: Sequence[str]) -> set[tuple[int, int, str]]:
    """Return the spans of BIO tags as (first, end, kind); `I-` of another kind than before begins a span, as in the
    evaluation of CoNLL 2000."""
    found, start, kind = set(), 0, ""
    for place, tag in enumerate([*tags, "O"]):
        goes_on = tag.startswith("I-") and tag[2:] == kind
        if not goes_on:
            if kind:
                found.add((start, place, kind))
            start, kind = place, tag[2:] if tag[:2] in ("B-", "I-") else ""
    return found


def _translation_scores(data: Dataset, written: Sequence[Sequence[int]]) -> dict[str, float]:
    wanted = [[int(each) for each in row if each not in (NO_LABEL, END)] for row in data.y_test[: len(written)]]
    exact = sum(each == right for each, right in zip(written, wanted, strict=True)) / len(wanted)
    return {"bleu": bleu(written, wanted), "exact_match": exact, "translated": len(written)}


def bleu(written: Sequence[Sequence], wanted: Sequence[Sequence]) -> float:
    """Return the BLEU of sequences against one reference each, from 0 to 100 (Papineni et al. 2002, equation 3).

    Counts are of the whole corpus; where no four words in a row are right it is 0.
    """
    right, found = np.zeros(LONGEST_GRAM), np.zeros(LONGEST_GRAM)
    for ours, theirs in zip(written, wanted, strict=True):
        for size in range(1, LONGEST_GRAM + 1):
            counts, reference = _grams(ours, size), _grams(theirs, size)
            right[size - 1] += sum((counts & reference).values())
            found[size - 1] += sum(counts.values())
    ours, theirs = (sum(map(len, each)) for each in (written, wanted))
    # Sequences of fewer than four words have none of four: the longest that there are stand for them.
    right, found = right[found > 0], found[found > 0]
    if not len(right) or not right.all():
        return 0.0
    shortness = min(0.0, 1 - theirs / ours)
    return float(100 * np.exp(shortness + np.log(right / found).mean()))


def _grams(words: Sequence, size: int) -> Counter:
    return Counter(tuple(words[start : start + size]) for start in range(len(words) - size + 1))
