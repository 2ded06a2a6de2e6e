"""A trained network with what turns raw samples into its inputs and its outputs into answers."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from reskeras.datasets.encoding import Encoding, split
from reskeras.decoding import continued, scores_of, translated
from reskeras.installed import has_extra, how_to_install
from reskeras.machine import available_memory
from reskeras.runs import Run, RunError, find
from reskeras.tasks import TASKS

ENCODING = "reskeras.json"
"""The member of a `.keras` file, beside Keras's own, that says how raw samples become its inputs."""

_CONFIG = "config.json"
"""What Keras calls the member that says which layers there are."""

MOST_ENCODING = 2**26
"""Bytes of such a member."""


class Trained:
    """A trained network.

    Args:
        model: the network, which gives probabilities.
        task: what it learnt, a name in `tasks.TASKS`.
        encoding: how raw samples become its inputs.
    """

    def __init__(self, model: keras.Model, task: str, encoding: Encoding):
        self.model, self.task, self.encoding = model, task, encoding

    def predict(self, raw: Any, beams: int = 1) -> list:
        """Return an answer for each raw sample.

        Args:
            raw: arrays of samples as in the data set; for a network that reads text, texts, or lists of words.
            beams: how many beginnings of a translation are kept; see `decoding.translated`.

        Returns:
            For classes, the class of each sample: its name, or its number where classes have none. For tags, a list of
            (word, tag) pairs each. For translation, a text each. For language, the likeliest next token each. For a
            game, a (move, value) pair each.

        Raises:
            ValueError: where the samples are not what the network takes.
        """
        if self.task == "translation":
            return self._translate(self._inputs(raw), beams)
        samples = self._inputs(raw)
        found = self.model.predict(samples, verbose=0)
        if self.task == "tags":
            return [self._tagged(*each) for each in zip(raw, samples, found, strict=True)]
        if self.task == "language":
            last = np.maximum((samples != 0).sum(1), 1) - 1
            return [self._text([row[place].argmax()]) for row, place in zip(found, last, strict=True)]
        if self.task == "game":
            moves, values = found["output"].argmax(-1), found["value"][:, 0]
            return [(int(move), float(value)) for move, value in zip(moves, values, strict=True)]
        return [self.encoding.label(int(each)) for each in found.argmax(-1)]

    def generate(self, prompt: str = "", count: int = 200, temperature: float = 0.8, seed: int = 0) -> str:
        """Return what a language model writes behind a text.

        Args:
            prompt: the text.
            count: how many tokens are written.
            temperature: 1 draws tokens as the model expects them, less the likelier ones, 0 always the likeliest.
            seed: of what is drawn.

        Raises:
            ValueError: where the network is no language model.
        """
        if self.task != "language":
            raise ValueError(f"This network gives {TASKS[self.task].answer}; a language model goes on with a text.")
        begun = self.encoding.text.encode(prompt) if self.encoding.text else []
        scores = scores_of(self.model, logits=False)
        return self._text(continued(scores, begun, count, self.model.input_shape[1], temperature, seed))

    def _inputs(self, raw) -> np.ndarray:
        if self.encoding.text is None:
            return np.asarray(raw)
        if isinstance(raw, (str, bytes)) or not isinstance(raw, Iterable):
            raise ValueError(f"predict takes a list of texts. Received: {raw!r}. Did you mean [{raw!r}]?")
        raw = list(raw)
        for each in raw:
            if not isinstance(each, (str, list, tuple)):
                raise ValueError(f"This network reads texts, or lists of words. Received: {each!r}")
        return self.encoding.tokens(raw)

    def _tagged(self, raw: str | Sequence[str], tokens: np.ndarray, found: np.ndarray) -> list[tuple[str, Any]]:
        words = split(self.encoding.text.level, raw) if self.encoding.text else [int(each) for each in tokens]
        tags = found.argmax(-1)
        # Behind the longest sample that the network takes there is no tag.
        return [(word, self.encoding.label(int(tag))) for word, tag in zip(words, tags, strict=False)]

    def _translate(self, source: np.ndarray, beams: int) -> list[str]:
        return [self._text(each) for each in translated(scores_of(self.model, logits=False), source, beams)]

    def _text(self, tokens) -> Any:
        return self.encoding.text.decode(tokens) if self.encoding.text else [int(each) for each in tokens]


def load(run: str | os.PathLike | Run) -> Trained:
    """Return the trained network of a run, or of a `.keras` file that `reskeras train` has written.

    Args:
        run: a run, its folder, its name in the folder of runs, or the path of such a file.

    Raises:
        RunError: where there is none, or it cannot be read.
    """
    path = Path(run) if isinstance(run, (str, os.PathLike)) and str(run).endswith(".keras") else None
    if path is None:
        found = run if isinstance(run, Run) else find(os.fspath(run))
        path = found.model_path
        if not path.is_file():
            raise RunError(f"{found.name} has no trained network yet: {path.name} is written when a run ends.")
    try:
        task, encoding = _encoding(path)
        return Trained(keras.models.load_model(path, compile=False), task, encoding)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, zipfile.BadZipFile) as error:
        raise RunError(f"{path} cannot be read as a trained network: {error}") from None


def content_of(task: str, encoding: Encoding) -> dict[str, Any]:
    """Return what a file says of a network's task and encoding."""
    return {"task": task, **encoding.to_json()}


def _encoding(path: Path) -> tuple[str, Encoding]:
    with zipfile.ZipFile(path) as file:
        # A few bytes of a zip file can stand for any number.
        needed, free = sum(each.file_size for each in file.infolist()), available_memory()
        if free is not None and needed > free:
            raise ValueError(f"it unpacks to {needed / 2**30:,.1f} GiB, and {free / 2**30:,.1f} GiB of memory are left")
        if ENCODING not in file.namelist():
            raise ValueError(f"it holds no {ENCODING}: load it with keras.models.load_model")
        size = file.getinfo(ENCODING).file_size
        if size > MOST_ENCODING:
            raise ValueError(f"its {ENCODING} is to have {size:,} bytes, more than the {MOST_ENCODING:,} allowed")
        if b'"keras_hub' in file.read(_CONFIG) and not has_extra("text"):
            raise ValueError(
                f"it holds layers of keras-hub, which is not installed. Install it with {how_to_install('text')}"
            )
        content = json.loads(file.read(ENCODING))
    if not isinstance(content, dict) or content.get("task") not in TASKS:
        raise ValueError(f"its {ENCODING} names no task")
    return content["task"], Encoding.from_json(content)
