"""What a trained network writes, token by token: the rest of a text, or a sequence for a sequence."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np

from reskeras.datasets.dataset import Arrays
from reskeras.datasets.encoding import END, FIRST, PADDING, START

Scores = Callable[[Arrays, int], np.ndarray]
"""From samples and a place in them to the logarithm of the probability of each token there, (samples, vocabulary)."""

LEAST = 1e-30
"""The smallest probability, so that each has a logarithm."""

AT_ONCE = 64
"""Sequences that are written beside one another."""


def scores_of(model: keras.Model, logits: bool) -> Scores:
    """Return how a model scores tokens.

    Args:
        model: a language model or a translator.
        logits: whether it gives logits; otherwise probabilities.
    """

    def scores(samples, place):
        found = np.asarray(keras.ops.convert_to_numpy(model.predict_on_batch(samples))[:, place], np.float64)
        if not logits:
            return np.log(np.maximum(found, LEAST))
        found -= found.max(-1, keepdims=True)
        return found - np.log(np.exp(found).sum(-1, keepdims=True))

    return scores


def continued(
    scores: Scores,
    begun: Sequence[int],
    count: int,
    length: int,
    temperature: float = 0.8,
    seed: int = 0,
    told: Callable[[int], None] | None = None,
) -> list[int]:
    """Return so many tokens that a language model writes behind a text.

    Args:
        scores: of the model.
        begun: the text's tokens; of a long one the last `length` are read, of an empty one nothing.
        count: how many tokens are written.
        length: how many tokens the model reads.
        temperature: what the logarithms are divided by before a token is drawn; 0 always takes the likeliest.
        seed: of what is drawn.
        told: called with each token.
    """
    generator, tokens = np.random.default_rng(seed), list(begun) or [PADDING]
    first = len(tokens)
    for _ in range(count):
        window = tokens[-length:]
        samples = np.full((1, length), PADDING, np.int32)
        samples[0, : len(window)] = window
        found = scores(samples, len(window) - 1)[0]
        found[:FIRST] = -np.inf  # What stands for no text is not written.
        tokens.append(_drawn(found, temperature, generator))
        if told is not None:
            told(tokens[-1])
    return tokens[first:]


def _drawn(scores: np.ndarray, temperature: float, generator: np.random.Generator) -> int:
    if temperature == 0:
        return int(scores.argmax())
    scores = (scores - scores.max()) / temperature
    shares = np.exp(scores)
    return int(generator.choice(len(shares), p=shares / shares.sum()))


def translated(scores: Scores, source: np.ndarray, beams: int = 1) -> list[list[int]]:
    """Return the sequences that a translator writes, each without its `END`.

    Args:
        scores: of the translator.
        source: (samples, tokens) what is read.
        beams: how many beginnings of each sequence are kept at every token, the most probable ones; 1 is greedy. The
            one of the highest mean logarithm a token is taken (Wu et al. 2016, 1609.08144, with alpha 1).
    """
    # Those of similar length beside one another, for all of them wait for the longest answer.
    order = np.argsort((source != PADDING).sum(1), kind="stable")
    size = min(max(AT_ONCE // beams, 1), len(order))
    found: dict[int, list[int]] = {}
    for start in range(0, len(order), size or 1):
        # Of one size each: another one would be compiled anew.
        chosen = np.resize(order[start : start + size], size)
        found.update(zip(chosen.tolist(), _written_together(scores, source[chosen], beams), strict=True))
    return [found[place] for place in range(len(source))]


def _written_together(scores: Scores, source: np.ndarray, beams: int) -> list[list[int]]:
    count, length = source.shape
    read = np.repeat(source, beams, axis=0)
    written = np.full((count * beams, length + 1), PADDING, np.int32)
    written[:, 0] = START
    totals = np.full((count, beams), -np.inf)
    totals[:, 0] = 0.0
    ended = np.zeros((count, beams), bool)
    for place in range(length):
        found = scores({"source": read, "samples": written[:, :length]}, place)
        found[:, [PADDING, START]] = -np.inf
        words = found.shape[-1]
        found = found.reshape(count, beams, words)
        # A sequence that has ended goes on with padding, at no cost.
        found[ended] = -np.inf
        found[ended, PADDING] = 0.0
        sums = (totals[..., None] + found).reshape(count, -1)
        best = np.argpartition(-sums, beams - 1, axis=1)[:, :beams]
        totals = np.take_along_axis(sums, best, 1)
        origin, word = best // words, best % words
        rows = (np.arange(count)[:, None] * beams + origin).reshape(-1)
        written = written[rows]
        written[:, place + 1] = word.reshape(-1)
        ended = np.take_along_axis(ended, origin, 1) | (word == END)
        if ended.all():
            break
    lengths = np.maximum((written[:, 1:] != PADDING).sum(1).reshape(count, beams), 1)
    chosen = (totals / lengths).argmax(1)
    rows = written.reshape(count, beams, -1)[np.arange(count), chosen, 1:]
    return [[int(each) for each in row if each not in (END, PADDING)] for row in rows]
