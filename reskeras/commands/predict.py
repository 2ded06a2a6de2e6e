"""`reskeras predict`: what a trained network says of raw samples."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from reskeras.commands.common import CONTEXT, runs_option
from reskeras.datasets import DataError
from reskeras.datasets.encoding import Encoding
from reskeras.files import open_plain
from reskeras.installed import resolve_backend
from reskeras.printable import printable
from reskeras.runs import ScriptSettings, find


@click.command(context_settings=CONTEXT)
@click.argument("run", metavar="RUN")
@click.argument("texts", metavar="[TEXT]...", nargs=-1)
@runs_option
@click.option(
    "--samples",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="An .npy file of samples, for a network that reads no text.",
)
@click.option("--count", type=click.IntRange(1), default=200, show_default=True, help="Tokens that are written.")
@click.option(
    "--temperature",
    type=click.FloatRange(0, 10),
    default=0.8,
    show_default=True,
    help="How freely a language model writes: 0 takes the likeliest token each time.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of what it writes.")
@click.option("--beams", type=click.IntRange(1, 64), default=1, show_default=True, help="Beams of a translation.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list, one answer a sample.")
def predict(run, texts, runs, samples, count, temperature, seed, beams, as_json):
    """Ask the network that a run has trained.

    RUN is a run's name, as in reskeras runs, or its folder. TEXT is a sample each; without any, each line of the
    standard input is one. A language model goes on with each text.

    \b
    Examples:
      reskeras predict my-tagger "for name in names:"
      reskeras predict my-gpt "def " --count 300 --temperature 0.5
      reskeras predict my-translator --beams 4 < sentences.txt
      reskeras predict my-resnet --samples digits.npy --json
    """
    found = find(run, runs)
    settings = found.settings
    if isinstance(settings, ScriptSettings):
        raise click.UsageError(f"{found.name} was trained by a script, which keeps its network itself.")
    network = _loaded(found, settings.training.backend)
    if network.encoding.text is None and network.task in ("classes", "game"):
        answers = network.predict(_samples(samples, network.model.input_shape[1:]))
    elif samples is not None:
        raise click.UsageError(f"{found.name} reads text. Give texts in the place of --samples.")
    elif network.task == "language":
        answers = [network.generate(text, count, temperature, seed) for text in texts or _lines()]
    else:
        answers = network.predict(texts or _lines(), *([beams] if network.task == "translation" else []))
    for line in [json.dumps(answers)] if as_json else (_line(answer, network.encoding) for answer in answers):
        click.echo(line)


def _loaded(run, backend: str):
    # What TensorFlow says of its own accord is no answer.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from reskeras.training import worker

    worker.load(resolve_backend(backend))
    from reskeras.loading import load

    return load(run)


def _lines() -> list[str]:
    return [line.rstrip("\r\n") for line in sys.stdin]


def _samples(path: Path | None, shape: Sequence[int]) -> np.ndarray:
    """Return the samples of a file, which are of that shape each."""
    wanted = f"an array of samples of shape {tuple(shape)}"
    if path is None:
        raise click.UsageError(f"This network reads arrays. Give --samples FILE.npy with {wanted}.")
    try:
        with open(open_plain(path), "rb") as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, MemoryError) as error:
        raise DataError(f"{path} is no .npy file of numbers: {error}.") from None
    if array.ndim == len(shape) and shape[-1] == 1:
        array = array[..., None]
    if array.shape[1:] != tuple(shape) or array.dtype.kind not in "iufb":
        raise DataError(f"{path} holds {array.dtype} of shape {array.shape}; the network takes {wanted}.")
    return array


def _line(answer: Any, encoding: Encoding) -> str:
    if isinstance(answer, list):
        return printable(" ".join(f"{word}/{tag}" for word, tag in answer))
    if isinstance(answer, tuple):
        return printable(f"move {encoding.label(answer[0])}, value {answer[1]:.2f}")
    return printable(str(answer), keep="\n\t")
