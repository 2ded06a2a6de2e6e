"""The networks of bench_depth.py written by hand in JAX: a scan over stacked weights, and convolutions written out."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from depth_networks import (
    CLASSES,
    GPT_HEADS,
    GPT_TIME,
    GPT_WIDTH,
    GPT_WORDS,
    LEARNING_RATES,
    MLP_WIDTH,
    MOMENTUM,
    Network,
    Peer,
)

EPSILON = 1e-5


def build(network: Network, form: str) -> Peer:
    """Return a network to train; images in the form `"jit"`, everything else in the form `"scan"`."""
    start, forward = _NETWORKS[network.kind]
    weights, state = jax.tree.map(jnp.asarray, start(np.random.default_rng(0), network.depth))
    x, y = map(jnp.asarray, network.samples())
    update = {"adam": _adam, "sgd": _momentum}[network.optimizer]
    held = {"all": (weights, state, update.start(weights))}
    train = _training_step(forward, update)

    def step():
        held["all"] = train(*held["all"], x, y)

    count = sum(each.size for each in jax.tree.leaves(weights))
    return Peer(step, lambda: jax.block_until_ready(held["all"]), count)


def _training_step(forward, update):
    def loss(weights, state, x, y):
        logits, state = forward(weights, state, x)
        chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), y[..., None], axis=-1)
        return -jnp.mean(chosen), state

    def step(weights, state, moments, x, y):
        gradients, state = jax.grad(loss, has_aux=True)(weights, state, x, y)
        weights, moments = update(weights, moments, gradients)
        return weights, state, moments

    return jax.jit(step, donate_argnums=(0, 1, 2))


def _adam(weights, moments, gradients, rate=LEARNING_RATES["adam"], beta1=0.9, beta2=0.999, epsilon=1e-7):
    count, first, second = moments
    count = count + 1
    first = jax.tree.map(lambda m, g: m + (g - m) * (1 - beta1), first, gradients)
    second = jax.tree.map(lambda v, g: v + (g * g - v) * (1 - beta2), second, gradients)
    rate = rate * jnp.sqrt(1 - beta2**count) / (1 - beta1**count)
    new = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) + epsilon), weights, first, second)
    return new, (count, first, second)


_adam.start = lambda weights: (jnp.zeros(()), *(jax.tree.map(jnp.zeros_like, weights) for _ in range(2)))


def _momentum(weights, moments, gradients, rate=LEARNING_RATES["sgd"]):
    moments = jax.tree.map(lambda m, g: MOMENTUM * m - rate * g, moments, gradients)
    return jax.tree.map(jnp.add, weights, moments), moments


_momentum.start = lambda weights: jax.tree.map(jnp.zeros_like, weights)


def warm_up(form: str) -> None:
    """Compile and run one small function."""
    jax.block_until_ready(jax.jit(lambda x: x @ x)(jnp.ones((2, 2))))


def _normal(generator, *shape: int, scale: float = 2.0):
    """Return values of a deviation that suits as many inputs as the last axis but one has."""
    return generator.normal(size=shape, scale=(scale / shape[-2]) ** 0.5).astype("float32")


def _zeros(*shape: int, value: float = 0.0):
    return np.full(shape, value, "float32")


def _head(generator, width: int) -> dict:
    return {"head": _normal(generator, width, CLASSES), "head_bias": _zeros(CLASSES)}


def _start_mlp(generator, depth: int):
    square = (depth, MLP_WIDTH, MLP_WIDTH)
    blocks = {
        "first": _normal(generator, *square),
        "first_bias": _zeros(depth, MLP_WIDTH),
        "second": _normal(generator, *square, scale=1 / depth),
        "second_bias": _zeros(depth, MLP_WIDTH),
    }
    return {"blocks": blocks, **_head(generator, MLP_WIDTH)}, ()


def _mlp(weights, state, x):
    def block(x, w):
        return x + jax.nn.relu(x @ w["first"] + w["first_bias"]) @ w["second"] + w["second_bias"], None

    x, _ = jax.lax.scan(block, x, weights["blocks"])
    return x @ weights["head"] + weights["head_bias"], state


def _start_highway(generator, depth: int, width: int = 50):
    square = (depth - 1, width, width)
    blocks = {
        "plain": _normal(generator, *square),
        "plain_bias": _zeros(depth - 1, width),
        "gate": _normal(generator, *square, scale=1.0),
        "gate_bias": _zeros(depth - 1, width, value=-2.0),
    }
    stem = {"stem": _normal(generator, 784, width), "stem_bias": _zeros(width)}
    return {"blocks": blocks, **stem, **_head(generator, width)}, ()


def _highway(weights, state, x):
    def block(x, w):
        gate = jax.nn.sigmoid(x @ w["gate"] + w["gate_bias"])
        return x + gate * (jax.nn.relu(x @ w["plain"] + w["plain_bias"]) - x), None

    x = jax.nn.relu(x @ weights["stem"] + weights["stem_bias"])
    x, _ = jax.lax.scan(block, x, weights["blocks"])
    return x @ weights["head"] + weights["head_bias"], state


def _sizes(depth: int):
    """Yield (input channels, channels, stride) of each block of a ResNet."""
    channels = 16
    for width in (16, 32, 64):
        for place in range((depth - 2) // 6):
            yield channels, width, 2 if place == 0 and width > 16 else 1
            channels = width


def _start_convolution(generator, channels: int, width: int, kernel: int = 3):
    deviation = (2 / (kernel * kernel * channels)) ** 0.5
    start = generator.normal(size=(kernel, kernel, channels, width), scale=deviation).astype("float32")
    weights = {"kernel": start, "scale": _zeros(width, value=1.0), "offset": _zeros(width)}
    return weights, {"mean": _zeros(width), "variance": _zeros(width, value=1.0)}


def _start_resnet(generator, depth: int):
    pairs = [_start_convolution(generator, 3, 16)]
    for channels, width, _ in _sizes(depth):
        pairs += [_start_convolution(generator, channels, width), _start_convolution(generator, width, width)]
        if channels != width:
            pairs.append(_start_convolution(generator, channels, width, kernel=1))
    weights, state = zip(*pairs, strict=True)
    return {"convolutions": list(weights), **_head(generator, 64)}, list(state)


def _convolved(x, w, s, stride: int = 1):
    """Return a convolution with normalisation, and its new moving statistics."""
    x = jax.lax.conv_general_dilated(x, w["kernel"], (stride,) * 2, "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    mean, variance = jnp.mean(x, (0, 1, 2)), jnp.var(x, (0, 1, 2))
    new = {"mean": 0.9 * s["mean"] + 0.1 * mean, "variance": 0.9 * s["variance"] + 0.1 * variance}
    return (x - mean) * (jax.lax.rsqrt(variance + EPSILON) * w["scale"]) + w["offset"], new


def _resnet(weights, state, x):
    pairs, new = iter(zip(weights["convolutions"], state, strict=True)), []

    def convolved(x, stride=1):
        y, statistics = _convolved(x, *next(pairs), stride)
        new.append(statistics)
        return y

    x = jax.nn.relu(convolved(x))
    # 6n+2 counts the dense layer at the end and leaves out two paths.
    for channels, width, stride in _sizes(len(state) - 1):
        inner = convolved(jax.nn.relu(convolved(x, stride)))
        x = jax.nn.relu(inner + (x if channels == width else convolved(x, stride)))
    return jnp.mean(x, (1, 2)) @ weights["head"] + weights["head_bias"], new


def _start_gpt(generator, depth: int):
    width = GPT_WIDTH

    def maps(inputs, outputs, deviation=0.02):
        return generator.normal(size=(depth, inputs, outputs), scale=deviation).astype("float32")

    into_stream = 0.02 / (2 * depth) ** 0.5
    blocks = {
        "attend": maps(width, 3 * width),
        "attend_bias": _zeros(depth, 3 * width),
        "mix": maps(width, width, into_stream),
        "mix_bias": _zeros(depth, width),
        "widen": maps(width, 4 * width),
        "widen_bias": _zeros(depth, 4 * width),
        "narrow": maps(4 * width, width, into_stream),
        "narrow_bias": _zeros(depth, width),
        "scale": _zeros(depth, 2, width, value=1.0),
        "offset": _zeros(depth, 2, width),
    }
    tables = generator.normal(size=(GPT_WORDS + GPT_TIME, width), scale=0.02).astype("float32")
    ending = {"scale": _zeros(width, value=1.0), "offset": _zeros(width)}
    return {"blocks": blocks, "words": tables[:GPT_WORDS], "positions": tables[GPT_WORDS:], **ending}, ()


def _normalised(x, scale, offset):
    mean, variance = jnp.mean(x, -1, keepdims=True), jnp.var(x, -1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + EPSILON) * scale + offset


def _gpt(weights, state, tokens):
    def block(x, w):
        normed = _normalised(x, w["scale"][0], w["offset"][0])
        heads = (normed @ w["attend"] + w["attend_bias"]).reshape(*x.shape[:2], 3, GPT_HEADS, -1)
        mixed = jax.nn.dot_product_attention(*jnp.moveaxis(heads, 2, 0), is_causal=True)
        x = x + mixed.reshape(x.shape) @ w["mix"] + w["mix_bias"]
        wide = jax.nn.gelu(_normalised(x, w["scale"][1], w["offset"][1]) @ w["widen"] + w["widen_bias"])
        return x + wide @ w["narrow"] + w["narrow_bias"], None

    x, _ = jax.lax.scan(block, weights["words"][tokens] + weights["positions"], weights["blocks"])
    return _normalised(x, weights["scale"], weights["offset"]) @ weights["words"].T, state


_NETWORKS = {
    "mlp": (_start_mlp, _mlp),
    "highway": (_start_highway, _highway),
    "resnet": (_start_resnet, _resnet),
    "gpt": (_start_gpt, _gpt),
}
