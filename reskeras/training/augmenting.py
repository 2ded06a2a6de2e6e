"""Random changes of training images that leave what they show as it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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
        rows, columns = (np.arange(size)[None].repeat(count, 0) for size in (height, width))
        if self.pad_crop:
            around = self.pad_crop
            padded = np.empty((count, height + 2 * around, width + 2 * around, channels), images.dtype)
            padded[:] = self.fill
            padded[:, around : around + height, around : around + width] = images
            images = padded
            top, left = generator.integers(0, 2 * around + 1, (2, count, 1))
            rows, columns = rows + top, columns + left
        if self.flip:
            mirrored = generator.integers(0, 2, (count, 1)) == 1
            columns = np.where(mirrored, columns[:, ::-1], columns)
        return images[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
