"""Golden files: networks as this version writes them, for later versions to load; `python tests/golden.py` writes them.

For each family a tiny network with random weights: `<family>.keras` in Keras's own layers alone, `<family>.own.keras`
in this package's layers, and `<family>.npz` with samples and what the network gave for them. A family that has its
files keeps them: they are what the next version is held to.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).with_name("golden")


def files(name: str) -> tuple[Path, Path, Path]:
    """Return the places of a family's files: in Keras's layers, in this package's, samples with predictions."""
    return GOLDEN / f"{name}.keras", GOLDEN / f"{name}.own.keras", GOLDEN / f"{name}.npz"


def recorded(path: Path) -> tuple[np.ndarray | dict[str, np.ndarray], list[np.ndarray]]:
    """Return the samples in a family's `.npz` as a model takes them, and the predictions, one array an output."""
    with np.load(path) as arrays:
        inputs = {key.removeprefix("input_"): arrays[key] for key in arrays if key.startswith("input_")}
        outputs = [arrays[f"output_{index}"] for index in range(len(arrays) - len(inputs))]
    return inputs if len(inputs) > 1 else next(iter(inputs.values())), outputs


def write(name: str) -> None:
    """Write the files of a family."""
    import keras
    from networks import CLASSES, input_shape, predict, samples, skips, tiny_options

    import reskeras

    keras.utils.set_random_seed(5)
    options = tiny_options(name, skips(name)[0])
    model = reskeras.build(name, input_shape=input_shape(name), classes=CLASSES, **options)
    generator = np.random.default_rng(5)
    for variable in model.variables:
        if variable.dtype.startswith("float"):
            noise = generator.normal(scale=0.3, size=variable.shape).astype("float32")
            variable.assign(1 + np.abs(noise) if "variance" in variable.path else noise)
    x, _ = samples(name, padded=True)
    portable, own, arrays = files(name)
    reskeras.save_portable(model, portable, x, classifier_activation=None)
    model.save(own)
    for path in (portable, own):
        _compress(path)
    inputs = x if isinstance(x, dict) else {"samples": x}
    outputs = predict(model, x)
    np.savez_compressed(
        arrays,
        **{f"input_{key}": value for key, value in inputs.items()},
        **{f"output_{index}": value for index, value in enumerate(outputs)},
    )


def _compress(path: Path) -> None:
    """Write a `.keras` file, which is a zip archive, anew with its members compressed."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


if __name__ == "__main__":
    from reskeras.catalogue import ARCHITECTURES

    GOLDEN.mkdir(exist_ok=True)
    for each in sys.argv[1:] or [name for name in ARCHITECTURES if not all(path.is_file() for path in files(name))]:
        write(each)
        print(each, *(f"{path.stat().st_size:,}" for path in files(each)), "bytes")
