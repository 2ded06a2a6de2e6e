"""Every family, built of stacks: the numbers of the same network of separate blocks."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from autodiff import by_path, keras_loss, precision
from networks import CLASSES, OURS, each_part_once, input_shape, samples, skips, tiny_options

import reskeras
from reskeras.catalogue import ARCHITECTURES, plan
from reskeras.plan import repeats, without_rate


def _depth_with_a_run(name: str) -> int | None:
    """Return the smallest depth at which a family has equal blocks that follow one another, if any has."""
    entry = ARCHITECTURES[name]
    for depth in [each for each in entry.options().depths() if each >= entry.tiny["depth"]][:8]:
        network = plan(name, input_shape(name), CLASSES, **{**tiny_options(name, skips(name)[0]), "depth": depth})
        runs = [run for stage in network.stages for run in repeats(tuple(map(without_rate, stage.blocks)))]
        if any(times > 2 or (times > 1 and start) for start, times, _ in runs):
            return depth
    return None


# What a dense block appends makes each one wider than the one before, and a skip-layer MLP is one block.
NO_EQUAL_BLOCKS = ("densenet", "imagenet_densenet", "text_densenet", "skip_layer_mlp")
DEPTHS = {name: _depth_with_a_run(name) for name in OURS if name not in NO_EQUAL_BLOCKS}


@pytest.mark.parametrize("name", each_part_once(DEPTHS))
def test_stacked_and_separate_blocks_start_and_learn_alike(name):
    x, y = samples(name)
    options = {**tiny_options(name, skips(name)[0]), "depth": DEPTHS[name]}
    if name in ("resnet", "vit", "gpt"):
        options["drop_path"] = 0.3
    losses, weights = {}, {}
    with precision("float64"):
        for stacked in (True, False):
            keras.utils.set_random_seed(4)
            model = reskeras.build(name, input_shape=input_shape(name), classes=CLASSES, stacked=stacked, **options)
            assert stacked == any(isinstance(layer, reskeras.layers.Stack) for layer in model.layers)
            start = _by_path(model)
            model.compile(keras.optimizers.SGD(0.01), keras_loss(y))
            keras.utils.set_random_seed(1)
            # Two steps: normalisation over three samples makes more of the last digit with each.
            losses[stacked] = model.fit(x, y, batch_size=3, shuffle=False, verbose=0).history["loss"]
            weights[stacked] = start, _by_path(model)
    np.testing.assert_allclose(losses[True], losses[False], rtol=1e-6)
    for found, wanted in zip(weights[True], weights[False], strict=True):
        assert found.keys() == wanted.keys()
        for path, value in wanted.items():
            np.testing.assert_allclose(found[path], value, rtol=1e-4, atol=1e-6, err_msg=path)


def test_recomputed_activations_change_no_number():
    x, y = samples("resnet")
    trained = []
    with precision("float64"):
        for each in (False, "sqrt"):
            keras.utils.set_random_seed(4)
            options = {"depth": 20, "width": 2, "drop_path": 0.3, "remat": each}
            model = reskeras.build("resnet", input_shape=input_shape("resnet"), classes=CLASSES, **options)
            stacks = [layer for layer in model.layers if isinstance(layer, reskeras.layers.Stack)]
            assert [stack.remat for stack in stacks] == [each] * 3
            model.compile(keras.optimizers.SGD(0.01), keras_loss(y))
            model.fit(x, y, batch_size=3, shuffle=False, verbose=0)
            trained.append(model.get_weights())
    for found, wanted in zip(*trained, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resnet", {"stacked": False, "remat": "sqrt"}, r"received stacked=False\. Did you mean remat=True"),
        ("densenet", {"remat": "sqrt"}, r"densenet-19-12 has no equal blocks .* Did you mean remat=True"),
        ("densenet", {"remat": "all"}, r"remat must be False, True or 'sqrt'.*'all'"),
    ],
)
def test_recomputation_that_cannot_be_is_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        reskeras.build(name, input_shape=(8, 8, 1), classes=2, **options)


def _by_path(model):
    """Return a copy of every trained weight by its path, those of a stack slice by slice."""
    variables = model.trainable_variables
    return by_path(variables, [np.array(keras.ops.convert_to_numpy(each)) for each in variables])
