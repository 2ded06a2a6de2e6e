"""Blocks of Transformers against PyTorch's and against numpy: masks, caches, rotary positions, rank collapse."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from weights import randomise

from reskeras.blocks.scales import deepnorm
from reskeras.catalogue import plan
from reskeras.layers import CrossAttention, DecoderBlock, EncoderBlock, PositionEmbedding, SelfAttention
from reskeras.weights import fill_from_torch

RANDOM = np.random.default_rng(13)
WIDTH, HEADS, UNITS = 8, 2, 12
REAL = np.array([[True] * 5, [True] * 3 + [False] * 2])
MEMORY_REAL = np.array([[True] * 2 + [False] * 2, [True] * 4])


def _x(*shape):
    return RANDOM.normal(size=shape).astype("float32")


def _array(tensor):
    return keras.ops.convert_to_numpy(tensor)


class _Masked(keras.Layer):
    """x with a mask, on the list [x, mask]."""

    def call(self, inputs):
        return keras.ops.copy(inputs[0])

    def compute_mask(self, inputs, previous_mask):
        return inputs[1]

    def compute_output_shape(self, input_shape):
        return input_shape[0]


def _torch_layer(kind, norm, activation):
    torch = pytest.importorskip("torch")
    torch.manual_seed(3)
    layer = getattr(torch.nn, f"Transformer{kind}Layer")(
        WIDTH, HEADS, UNITS, dropout=0.0, activation=activation, norm_first=norm == "pre", batch_first=True
    )
    with torch.no_grad():
        for weight in layer.parameters():
            weight.copy_(torch.randn(weight.shape) * 0.5)
    return torch, layer.eval(), {name: each.numpy() for name, each in layer.state_dict().items()}


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize(("activation", "causal"), [("relu", False), ("gelu", True)])
def test_an_encoder_block_is_that_of_torch(norm, activation, causal):
    torch, layer, state = _torch_layer("Encoder", norm, activation)
    block, x = EncoderBlock(HEADS, UNITS, norm, activation, causal=causal), _x(2, 5, WIDTH)
    block.build((None, None, WIDTH))
    fill_from_torch(block, state)
    later = torch.triu(torch.ones(5, 5, dtype=torch.bool), 1) if causal else None
    with torch.no_grad():
        wanted = layer(torch.from_numpy(x), later, src_key_padding_mask=torch.from_numpy(~REAL)).numpy()
    y = _array(block(_Masked()([x, REAL])))
    np.testing.assert_allclose(y[REAL], wanted[REAL], rtol=0, atol=1e-5)


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_a_decoder_block_is_that_of_torch(norm, activation):
    torch, layer, state = _torch_layer("Decoder", norm, activation)
    block, x, memory = DecoderBlock(HEADS, UNITS, norm, activation), _x(2, 5, WIDTH), _x(2, 4, WIDTH)
    block.build((None, None, WIDTH), (None, None, WIDTH))
    fill_from_torch(block, state)
    with torch.no_grad():
        wanted = layer(
            torch.from_numpy(x),
            torch.from_numpy(memory),
            torch.triu(torch.ones(5, 5, dtype=torch.bool), 1),
            tgt_key_padding_mask=torch.from_numpy(~REAL),
            memory_key_padding_mask=torch.from_numpy(~MEMORY_REAL),
        ).numpy()
    masked = _Masked()([memory, MEMORY_REAL])
    for _ in range(2):  # the memory of several blocks keeps its mask
        y = _array(block(_Masked()([x, REAL]), masked))
        np.testing.assert_allclose(y[REAL], wanted[REAL], rtol=0, atol=1e-5)


def test_weights_of_another_layer_are_refused():
    _, _, state = _torch_layer("Decoder", "post", "relu")
    block = EncoderBlock(HEADS, UNITS)
    block.build((None, None, WIDTH))
    with pytest.raises(ValueError, match=r"no place for these weights .*multihead_attn"):
        fill_from_torch(block, state)
    decoder = DecoderBlock(HEADS, UNITS)
    decoder.build((None, None, WIDTH), (None, None, WIDTH))
    with pytest.raises(ValueError, match=r"lacks 'multihead_attn\.in_proj_weight'"):
        fill_from_torch(decoder, {name: each for name, each in state.items() if "multihead" not in name})


@pytest.mark.parametrize("rotary", [False, True])
@pytest.mark.parametrize("norm", ["post", "pre"])
def test_a_decoder_writes_token_by_token_what_it_gives_at_once(rotary, norm):
    block = DecoderBlock(HEADS, UNITS, norm, rotary=rotary)
    x, memory = _x(2, 6, WIDTH), _x(2, 4, WIDTH)
    block(x, memory)
    randomise(block)
    wanted = _array(block(x, memory))
    cache, found = block.new_cache(2, 9), []
    # Three tokens at once, as of a prompt, and then one after another.
    for start, stop in ((0, 3), (3, 4), (4, 5), (5, 6)):
        y, cache = block(x[:, start:stop], memory, cache=cache, position=start)
        found.append(_array(y))
    assert cache.shape == (2, 2, 9, HEADS, WIDTH // HEADS)
    np.testing.assert_allclose(np.concatenate(found, 1), wanted, rtol=0, atol=1e-5)


def test_the_cache_is_right_in_a_compiled_step(backend):
    """The position is a tensor, so that one compiled step serves every token."""
    block = EncoderBlock(HEADS, UNITS, causal=True)
    x = _x(2, 4, WIDTH)
    wanted = _array(block(x))

    def step(token, cache, position):
        return block(token, cache=cache, position=position)

    compiled = step
    if backend == "jax":
        import jax

        compiled = jax.jit(step)
    elif backend == "tensorflow":
        import tensorflow as tf

        compiled = tf.function(step, jit_compile=True)
    cache, found = block.new_cache(2, 4), []
    for position in range(4):
        token = keras.ops.convert_to_tensor(x[:, position : position + 1])
        y, cache = compiled(token, cache, keras.ops.convert_to_tensor(position, dtype="int32"))
        found.append(_array(y))
    np.testing.assert_allclose(np.concatenate(found, 1), wanted, rtol=0, atol=1e-5)


def _heads_in_numpy(layer, x, turn=lambda each: each, causal=False):
    """Return multi-head attention of x to itself by its formula, in double precision."""
    x = x.astype("float64")
    weights = {each.path.split("heads/")[1]: _array(each).astype("float64") for each in layer.trainable_variables}
    q, k, v = (
        np.einsum("btd,dhe->bhte", x, weights[f"{name}/kernel"]) + weights[f"{name}/bias"][:, None]
        for name in ("query", "key", "value")
    )
    scores = turn(q) @ turn(k).swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    if causal:
        scores = np.where(np.tril(np.ones(scores.shape[-2:], bool)), scores, -np.inf)
    share = np.exp(scores - scores.max(-1, keepdims=True))
    mixed = share / share.sum(-1, keepdims=True) @ v
    out = np.einsum("bhte,hed->btd", mixed, weights["attention_output/kernel"])
    return out + weights["attention_output/bias"]


def _as_complex_numbers(x):
    """Multiply pairs of features, as complex numbers, by e^(i t theta) (2104.09864, equations 12 and 16)."""
    time, size = x.shape[-2:]
    theta = 10_000.0 ** (-np.arange(0, size, 2) / size)
    numbers = (x[..., 0::2] + 1j * x[..., 1::2]) * np.exp(1j * np.arange(time)[:, None] * theta)
    return np.stack([numbers.real, numbers.imag], -1).reshape(x.shape)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("rotary", [False, True])
def test_attention_is_its_formula(rotary, causal):
    layer, x = SelfAttention(HEADS, rotary=rotary, causal=causal), _x(2, 7, WIDTH)
    y = layer(x)
    randomise(layer)
    wanted = _heads_in_numpy(layer, x, _as_complex_numbers if rotary else lambda each: each, causal)
    assert np.abs(_array(y) - wanted).max() > 1e-3
    np.testing.assert_allclose(_array(layer(x)), wanted, rtol=0, atol=1e-5)


def test_sinusoidal_positions_are_those_of_the_paper():
    layer = PositionEmbedding(50, "sinusoidal")
    y = _array(layer(np.zeros((1, 50, 6), "float32")))[0]
    for time in (0, 1, 49):
        for pair in range(3):
            angle = time / 10_000 ** (2 * pair / 6)
            np.testing.assert_allclose(y[time, 2 * pair : 2 * pair + 2], [np.sin(angle), np.cos(angle)], atol=1e-6)
    assert not layer.trainable_variables


def test_deepnorm_scales_the_stream_and_the_starting_weights():
    """LN(alpha x + f(x)); values, outputs and the feed-forward part start beta times as large (2203.00555)."""
    width, factors = 64, deepnorm(100)
    block, x = EncoderBlock(4, 256, "deep", deepnorm=factors), _x(1, 3, width)
    y = _array(block(x))
    attention = block.attention.branch[0]
    stream = factors.alpha * x.astype("float64") + _heads_in_numpy(attention, x)
    stream = (stream - stream.mean(-1, keepdims=True)) / np.sqrt(stream.var(-1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(_array(block.attention(x)), stream, rtol=0, atol=1e-5)
    assert y.shape == x.shape
    spread = {each.path.split("/", 1)[1]: _array(each).std() for each in block.trainable_variables}
    for path, gain in (("query", 1), ("key", 1), ("value", factors.beta), ("attention_output", factors.beta)):
        found = next(each for name, each in spread.items() if f"/{path}/kernel" in name)
        np.testing.assert_allclose(found, gain * np.sqrt(2 / (2 * width)), rtol=0.05)
    for path in ("dense1", "dense2"):
        found = next(each for name, each in spread.items() if f"{path}/kernel" in name)
        np.testing.assert_allclose(found, factors.beta * np.sqrt(2 / (width + 256)), rtol=0.05)


def test_a_network_with_deepnorm_multiplies_its_stream_by_the_alpha_of_its_depth():
    network = plan("transformer", (6, 3), 5, depth=3, width=8, heads=2, norm="deep")
    for _, block in network.blocks():
        assert block.skip.text().startswith("1.57 x")  # (2 * 3) ** 0.25
        assert [step.text() for step in block.after] == ["layer norm"]
    same = plan("transformer", (6, 3), 5, depth=3, width=8, heads=2, norm="post")
    assert network.parameters() == same.parameters()


@pytest.mark.parametrize(("skip", "collapses"), [("none", True), ("add", False)])
def test_attention_without_skips_collapses_to_rank_one(skip, collapses):
    """The share of X that is not the same for all tokens vanishes doubly exponentially with depth (2103.03404)."""
    x, ratios = RANDOM.normal(size=(1, 16, 32)), []
    for _ in range(4):
        layer = SelfAttention(4)
        layer.build((None, 16, 32))
        f = _heads_in_numpy(layer, x)
        np.testing.assert_allclose(_array(layer(x.astype("float32"))), f, rtol=0, atol=1e-4)
        x = f if skip == "none" else x + f
        ratios.append(_norm(x - x.mean(1, keepdims=True)) / _norm(x))
    assert (ratios[-1] < 1e-7) == collapses
    assert (min(ratios) > 0.3) != collapses


def _norm(x):
    """Return the root of the 1-norm times the infinity-norm, as the paper measures."""
    return np.sqrt(np.linalg.norm(x[0], 1) * np.linalg.norm(x[0], np.inf))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: EncoderBlock(3, UNITS).build((None, 5, 8)), r"heads=3 and a width of 8. Did you mean heads=[24]"),
        (lambda: EncoderBlock(2, UNITS, norm="first"), r"norm must be one of post, pre, deep, none.*'first'"),
        (lambda: EncoderBlock(2, UNITS, attention_skip="sum"), r"attention_skip must be one of add, .*'sum'"),
        (lambda: EncoderBlock(2, UNITS, norm="deep"), r"deepnorm\(layers\)"),
        (lambda: CrossAttention(2)(_x(2, 5, 8), _x(2, 5, 6)), r"memory of shape \(2, 5, 6\).*Dense layer of 8 units"),
        (lambda: SelfAttention(2)(_x(2, 5, 8), mask=np.ones((2, 1, 5))), r"\(batch, time\). Received: .*\(2, 1, 5\)"),
        (lambda: SelfAttention(4, rotary=True).build((None, 5, 4)), r"odd size of 1; 8 must divide the width"),
        (lambda: SelfAttention(2)(_x(1, 1, 4), cache=_x(1, 2, 3, 2, 2), position=0), r"Received: causal=False"),
        (lambda: PositionEmbedding(4).build((None, 5, 8)), r"has 4 positions. Received: a sequence of 5"),
        (lambda: PositionEmbedding(4, "fixed"), r"one of learned, sinusoidal. Received: kind='fixed'"),
    ],
)
def test_wrong_arguments_say_what_came_and_what_fits(make, message):
    with pytest.raises(ValueError, match=message):
        make()
