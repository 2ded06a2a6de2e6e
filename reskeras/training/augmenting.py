"""Random changes of training samples that leave what they show as it is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from reskeras.datasets.encoding import FIRST, UNKNOWN, words_of


@lru_cache(maxsize=1)
def _filled(shape: tuple[int, ...], fill: tuple[float, ...], dtype: np.dtype) -> np.ndarray:
    """Return an array of images of one colour; copying it takes less than filling one."""
    found = np.empty(shape, dtype)
    found[:] = fill
    return found


@dataclass(frozen=True)
class Augmentation:
    """Images moved by some pixels and mirrored, each by a draw of its own (He et al. 2015, 1512.03385, section 4.2).

    Keras's `RandomCrop` moves all images of a batch alike, and its layers draw from a state that every batch changes;
    here the draws are of a generator that the batch's place makes.

    Attributes:
        pad_crop: pixels added on each side, of which a window of the image's size is cut out; all places are as likely.
        flip: whether one of two images is mirrored left to right.
        fill: the value of added pixels for each channel: the mean of the training images is 0 to a network that takes
            it out.
    """

    pad_crop: int
    flip: bool
    fill: tuple[float, ...]

    def changed(self, images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Return images, (samples, height, width, channels), changed by what the generator gives."""
        count, height, width, channels = images.shape
        around = self.pad_crop
        places, mirrored = np.zeros((count, 2), int), np.zeros(count, bool)
        padded = images
        if around:
            padded = _filled((count, height + 2 * around, width + 2 * around, channels), self.fill, images.dtype).copy()
            padded[:, around : around + height, around : around + width] = images
            places = generator.integers(0, 2 * around + 1, (count, 2))
        if self.flip:
            mirrored = generator.integers(0, 2, count) == 1
        found = np.empty_like(images)
        # Slice by slice, which takes a tenth of the time of indexing every pixel.
        for target, source, (top, left), turned in zip(found, padded, places.tolist(), mirrored.tolist(), strict=True):
            window = source[top : top + height, left : left + width]
            target[:] = window[:, ::-1] if turned else window
        return found


@dataclass(frozen=True)
class WordDropout:
    """Words that are read as unknown now and then, the rarer the oftener.

    So a network learns what to make of words that it does not know: else every word that it is trained on has a number
    of its own. A word that comes c times is replaced with the probability a / (a + c) (Kiperwasser and Goldberg 2016,
    1603.04351).

    Attributes:
        shares: for each token number, how often it is replaced; 0 for those that stand for no text.
    """

    shares: np.ndarray

    @classmethod
    def fit(cls, tokens: np.ndarray, vocabulary: int, strength: float) -> WordDropout:
        """Return one for training samples.

        Args:
            tokens: their token numbers, of words perhaps with those of their characters.
            vocabulary: how many token numbers there are.
            strength: a of the formula.
        """
        counts = np.bincount(words_of(tokens).ravel(), minlength=vocabulary)
        shares = strength / (strength + counts)
        shares[:FIRST] = 0.0
        return cls(shares)

    def changed(self, tokens: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Return token numbers with those replaced that the generator chooses; a word's characters stay."""
        found = tokens.copy()
        words = words_of(found)
        words[generator.random(words.shape) < self.shares[words]] = UNKNOWN
        return found
