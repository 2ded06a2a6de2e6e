"""Built Transformers of the papers: counted, and compared with PyTorch's layers and with numpy."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
from autodiff import by_path
from networks import CLASSES, input_shape, predict, samples
from weights import randomise

import reskeras
from reskeras.catalogue import ARCHITECTURES, plan
from reskeras.options import describe

FAMILIES = ("translator", "bert", "gpt", "vit")
OTHERS = [
    pytest.param(name, {option.name: value}, id=f"{name}-{option.name}-{value}")
    for name in FAMILIES
    for option in describe(ARCHITECTURES[name].options)
    for value in {"choice": option.choices}.get(option.kind, ())
    if value != option.default and option.name != "skip"
]
FURTHER = {
    "translator-keys": ("translator", {"key_width": 3, "dropout": 0.1}),
    "translator-drop": ("translator", {"depth": 2, "drop_path": 0.5, "norm": "pre"}),
    "bert-drop": ("bert", {"depth": 2, "dropout": 0.1, "drop_path": 0.5}),
    "bert-one-segment": ("bert", {"segments": 0}),
    "gpt-drop": ("gpt", {"depth": 2, "dropout": 0.1, "drop_path": 0.5}),
    "vit-drop": ("vit", {"depth": 2, "dropout": 0.1, "drop_path": 0.5, "patch": 4}),
}


def built(name: str, seed: int = 0, **options) -> keras.Model:
    """Return a tiny network of a family with random weights everywhere; what is fixed stays as it is."""
    keras.utils.set_random_seed(seed)
    options = {**ARCHITECTURES[name].tiny, **options}
    model = reskeras.build(name, input_shape=input_shape(name), classes=CLASSES, **options)
    fixed = [keras.ops.copy(variable) for variable in model.non_trainable_variables]
    randomise(model)
    for variable, value in zip(model.non_trainable_variables, fixed, strict=True):
        variable.assign(value)
    return model


def trained_numbers(model: keras.Model) -> int:
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


@pytest.mark.parametrize(
    ("name", "options"), [*OTHERS, *(pytest.param(*each, id=key) for key, each in FURTHER.items())]
)
def test_every_choice_is_built_as_it_is_counted(name, options):
    options = {**ARCHITECTURES[name].tiny, **options}
    network = plan(name, input_shape(name), CLASSES, **options)
    model = built(name, **options)
    assert trained_numbers(model) == network.parameters()
    outputs = model.output if network.further_heads else {"output": model.output}
    assert {key: each.shape for key, each in outputs.items()} == {k: (None, *s) for k, s in network.outputs().items()}


@pytest.mark.parametrize(
    ("preset", "options"),
    [
        ("bert-base", {"depth": 3, "width": 96, "heads": 6, "vocabulary": 997}),
        ("gpt2", {"depth": 3, "width": 96, "heads": 6, "classes": 997}),
        ("vit-b16", {"depth": 3, "width": 96, "heads": 6}),
        ("transformer-base", {"depth": 3, "width": 96, "heads": 6, "classes": 997}),
    ],
)
def test_middle_sizes_of_the_presets_are_built_as_they_are_counted(preset, options):
    assert trained_numbers(reskeras.build(preset, **options)) == plan(preset, **options).parameters()


def weights_of(model: keras.Model) -> dict[str, np.ndarray]:
    return by_path(model.weights, map(keras.ops.convert_to_numpy, model.weights))


def test_the_translator_is_that_of_torch():
    """Encoder and decoder of PyTorch, post-norm, with our weights and attention without biases."""
    torch = pytest.importorskip("torch")
    model, (x, _) = built("translator", depth=2), samples("translator", padded=True)
    weights = {path: torch.from_numpy(value.copy()) for path, value in weights_of(model).items()}
    settings = {"d_model": 8, "nhead": 2, "dim_feedforward": 32, "dropout": 0.0, "batch_first": True}
    table = weights["encoder_stem_embedding1/table/embeddings"]
    positions = torch.from_numpy(sinusoids(7, 8))
    stream = {key: table[tokens.astype("int64")] * 8**0.5 + positions for key, tokens in x.items()}
    padding = {key: torch.from_numpy(tokens == 0) for key, tokens in x.items()}
    future = torch.triu(torch.ones(7, 7, dtype=torch.bool), 1)
    memory = stream["source"]
    for number in (1, 2):
        layer = torch.nn.TransformerEncoderLayer(**settings)
        load_layer(layer, weights, f"encoder_stage1_{{}}{number}", torch)
        # In training mode, since without it PyTorch takes another path for layers with padding.
        memory = layer(memory, src_key_padding_mask=padding["source"])
    for number in (1, 2):
        layer = torch.nn.TransformerDecoderLayer(**settings)
        load_layer(layer, weights, f"stage1_{{}}{number}", torch)
        stream["samples"] = layer(
            stream["samples"],
            memory,
            tgt_mask=future,
            tgt_key_padding_mask=padding["samples"],
            memory_key_padding_mask=padding["source"],
        )
    wanted = (stream["samples"] @ table.T).detach().numpy()
    (found,) = predict(model, x)
    real = x["samples"] != 0
    np.testing.assert_allclose(found[real], wanted[real], rtol=1e-4, atol=1e-5)


def sinusoids(time: int, width: int) -> np.ndarray:
    """Return the positions of Vaswani et al. 2017, section 3.5."""
    angles = np.arange(time)[:, None] / 10_000 ** (np.arange(0, width, 2) / width)
    return np.stack([np.sin(angles), np.cos(angles)], -1).reshape(time, width).astype("float32")


def load_layer(layer, weights, address: str, torch) -> None:
    """Put weights of this package into an encoder's or decoder's layer of PyTorch; its attention gets no biases."""

    def maps(label, name):
        kernel = weights[f"{address.format(label)}/{label}1/heads/{name}/kernel"]
        return kernel.reshape(8, 8).T

    def fill(attention, label, norm):
        with torch.no_grad():
            attention.in_proj_weight.copy_(torch.cat([maps(label, name) for name in ("query", "key", "value")]))
            attention.out_proj.weight.copy_(maps(label, "attention_output"))
            attention.in_proj_bias.zero_()
            attention.out_proj.bias.zero_()
            fill_norm(norm, label)

    def fill_norm(norm, label):
        norm.weight.copy_(weights[f"{address.format(label)}/after_norm1/gamma"])
        norm.bias.copy_(weights[f"{address.format(label)}/after_norm1/beta"])

    fill(layer.self_attn, "attention", layer.norm1)
    if hasattr(layer, "multihead_attn"):
        fill(layer.multihead_attn, "crossattention", layer.norm2)
    with torch.no_grad():
        fill_norm(layer.norm3 if hasattr(layer, "norm3") else layer.norm2, "feedforward")
        for ours, theirs in (("dense1", layer.linear1), ("dense2", layer.linear2)):
            theirs.weight.copy_(weights[f"{address.format('feedforward')}/{ours}/kernel"].T)
            theirs.bias.copy_(weights[f"{address.format('feedforward')}/{ours}/bias"])


def normalised(x, weights, address, epsilon):
    variance = x.var(-1, keepdims=True)
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(variance + epsilon) * weights[f"{address}/gamma"] + weights[
        f"{address}/beta"
    ]


def test_the_vit_is_that_of_its_equations():
    """Equations 1 to 4 of Dosovitskiy et al. 2020 in numpy, with PyTorch's conventions nowhere."""
    model, (x, _) = built("vit"), samples("vit")
    w = weights_of(model)
    patches = x.reshape(6, 4, 2, 4, 2, 1).transpose(0, 1, 3, 2, 4, 5).reshape(6, 16, 4)
    tokens = patches @ w["stem_conv1/kernel"].reshape(4, 8) + w["stem_conv1/bias"]
    first = np.broadcast_to(
        w[next(path for path in w if path.startswith("stem_classtoken1"))].reshape(1, 1, 8), (6, 1, 8)
    )
    z = np.concatenate([first, tokens], 1) + w["stem_positions1/table/embeddings"]
    inner = normalised(z, w, "stage1_attention1/norm1", 1e-6)
    q, k, v = (
        np.einsum("btd,dhe->bhte", inner, w[f"stage1_attention1/attention1/heads/{name}/kernel"])
        + w[f"stage1_attention1/attention1/heads/{name}/bias"][:, None]
        for name in ("query", "key", "value")
    )
    shares = np.exp(q @ k.swapaxes(-1, -2) / 2)
    attended = shares / shares.sum(-1, keepdims=True) @ v
    z = z + np.einsum("bhte,hed->btd", attended, w["stage1_attention1/attention1/heads/attention_output/kernel"])
    z = z + w["stage1_attention1/attention1/heads/attention_output/bias"]
    inner = normalised(z, w, "stage1_feedforward1/norm1", 1e-6)
    hidden = inner @ w["stage1_feedforward1/dense1/kernel"] + w["stage1_feedforward1/dense1/bias"]
    hidden = hidden * (1 + np.vectorize(math.erf)(hidden / np.sqrt(2))) / 2
    z = z + hidden @ w["stage1_feedforward1/dense2/kernel"] + w["stage1_feedforward1/dense2/bias"]
    y = normalised(z, w, "head_norm1", 1e-6)[:, 0]
    (found,) = predict(model, x)
    np.testing.assert_allclose(found, y @ w["head_dense1/kernel"] + w["head_dense1/bias"], rtol=1e-4, atol=1e-5)


def test_a_gpt_does_not_see_what_comes_later():
    model, (x, _) = built("gpt", depth=2), samples("gpt")
    changed = x.copy()
    changed[:, 4] = (changed[:, 4] + 1) % CLASSES
    (before,), (after,) = predict(model, x), predict(model, changed)
    np.testing.assert_array_equal(after[:, :4], before[:, :4])
    assert (np.abs(after[:, 4:] - before[:, 4:]).max(-1) > 0).all()


def test_a_bert_does_not_see_padding():
    model, (x, _) = built("bert"), samples("bert", padded=True)
    padding = x["samples"] == 0
    changed = {**x, "segments": np.where(padding, 1 - x["segments"], x["segments"])}
    (before,), (after,) = predict(model, x), predict(model, changed)
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-6)
    real = {**x, "segments": np.where(padding, x["segments"], 1 - x["segments"])}
    assert np.abs(predict(model, real)[0] - before).max() > 1e-3
