"""What is decoded and scored, against keras-hub's samplers and metrics."""

import keras
import numpy as np
import pytest

from reskeras.datasets.encoding import FIRST, PADDING, START
from reskeras.decoding import continued, translated
from reskeras.installed import has_extra
from reskeras.training.scores import bleu

if not has_extra("text"):
    pytest.skip("keras-hub is not installed: pip install 'reskeras[text]'", allow_module_level=True)

WORDS, LENGTH = FIRST + 9, 7


@pytest.fixture(scope="module")
def keras_hub():
    """The package, imported here and not above: with it comes TensorFlow, into every process that collects."""
    import keras_hub

    return keras_hub


@pytest.fixture(scope="module")
def table():
    """A model of which each token depends on the one before and on the place: (place, before, token) logits."""
    logits = np.random.default_rng(3).normal(size=(LENGTH, WORDS, WORDS)).astype("float32") * 2
    # What stands for no text is never written, and nothing ends early: keras-hub's beams are of one length.
    logits[..., :FIRST] = -1e9
    return logits


def ours(table):
    def scores(samples, place):
        written = samples["samples"] if isinstance(samples, dict) else samples
        found = table[place][written[:, place]].astype(np.float64)
        return found - np.log(np.exp(found).sum(-1, keepdims=True))

    return scores


def sampled(sampler, table, begun: list[list[int]]) -> list[list[int]]:
    """Return what a sampler of keras-hub writes behind the beginnings, up to the place that the table ends at."""
    prompt = np.full((len(begun), LENGTH + 1), PADDING, np.int32)
    prompt[:, : len(begun[0])] = begun
    known = keras.ops.convert_to_tensor(table)

    def following(prompt, cache, index):
        before = keras.ops.take(prompt, index - 1, axis=1)
        return keras.ops.take(keras.ops.take(known, index - 1, axis=0), before, axis=0), None, cache

    found = sampler(following, keras.ops.convert_to_tensor(prompt), index=len(begun[0]))
    return keras.ops.convert_to_numpy(found)[:, len(begun[0]) :].tolist()


def test_the_likeliest_text_is_that_of_the_greedy_sampler(keras_hub, table):
    wanted = sampled(keras_hub.samplers.GreedySampler(), table, [[FIRST + 2, FIRST + 5]])
    assert continued(ours(table), [FIRST + 2, FIRST + 5], LENGTH - 1, LENGTH + 1, temperature=0) == wanted[0]
    source = np.full((3, LENGTH), FIRST, np.int32)
    assert translated(ours(table), source) == sampled(keras_hub.samplers.GreedySampler(), table, 3 * [[START]])


@pytest.mark.parametrize("beams", [2, 3, 5])
def test_beams_are_those_of_the_beam_sampler(keras_hub, table, beams):
    source = np.full((2, LENGTH), FIRST, np.int32)
    found = translated(ours(table), source, beams)
    assert found == sampled(keras_hub.samplers.BeamSampler(num_beams=beams), table, 2 * [[START]])
    if beams == 5:
        assert found != translated(ours(table), source)


@pytest.mark.any_backend
def test_bleu_is_that_of_the_metric(keras_hub):
    draw = np.random.default_rng(0)
    wanted = [draw.integers(0, 30, draw.integers(4, 20)).tolist() for _ in range(40)]
    written = [[each if draw.random() < 0.8 else 31 for each in row[: draw.integers(4, 20)]] for row in wanted]
    import tensorflow

    metric = keras_hub.metrics.Bleu(tokenizer=tensorflow.strings.split)
    lines = [[" ".join(map(str, row)) for row in rows] for rows in (written, wanted)]
    metric.update_state([[line] for line in lines[1]], lines[0])
    assert 20 < bleu(written, wanted) == pytest.approx(100 * float(metric.result()), rel=1e-5)


def test_perplexity_is_that_of_the_metric(keras_hub):
    from reskeras.training.objectives import objective

    draw = np.random.default_rng(0)
    labels, logits = draw.integers(1, WORDS, (5, LENGTH)), draw.normal(size=(5, LENGTH, WORDS)).astype("float32")
    labels[2:, 4:] = PADDING
    metric = keras_hub.metrics.Perplexity(from_logits=True, mask_token_id=PADDING)
    metric.update_state(labels, logits)
    loss = objective("language")["loss"](labels, logits, sample_weight=(labels != PADDING).astype("float32"))
    assert np.exp(float(loss)) == pytest.approx(float(metric.result()), rel=1e-5)
