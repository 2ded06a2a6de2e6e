"""The networks of bench_depth.py written by hand in TensorFlow: operations of `tf.nn` in one `tf.function`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from depth_networks import CLASSES, LEARNING_RATES, MLP_WIDTH, MOMENTUM, Network, Peer

EPSILON = 1e-5


class _Weights:
    """Makes variables with their starts, and keeps those that are trained."""

    def __init__(self):
        self.trained: list[tf.Variable] = []
        self._generator = np.random.default_rng(0)

    def normal(self, *shape: int, scale: float = 2.0) -> tf.Variable:
        """Return a weight of a deviation that suits its number of inputs."""
        deviation = (scale / np.prod(shape[:-1])) ** 0.5
        return self._trained(self._generator.normal(size=shape, scale=deviation).astype("float32"))

    def constant(self, size: int, value: float = 0.0) -> tf.Variable:
        """Return a weight of equal values."""
        return self._trained(np.full(size, value, "float32"))

    def _trained(self, start: np.ndarray) -> tf.Variable:
        self.trained.append(tf.Variable(start))
        return self.trained[-1]


def build(network: Network, form: str) -> Peer:
    """Return a network to train, in the form `"function"`."""
    weights = _Weights()
    forward = {"mlp": _mlp, "resnet": _resnet}[network.kind](weights, network.depth)
    update = {"adam": _adam, "sgd": _momentum}[network.optimizer](weights.trained)
    x, y = map(tf.constant, network.samples())
    step = _training_step(forward, update, weights.trained)
    return Peer(lambda: step(x, y), tf.test.experimental.sync_devices, sum(int(tf.size(w)) for w in weights.trained))


def _training_step(forward: Callable, update: Callable, trained: list[tf.Variable]) -> Callable:
    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=forward(x))
            loss = tf.reduce_mean(losses)
        update(tape.gradient(loss, trained))

    return step


def _zeros_like(trained: list[tf.Variable]) -> list[tf.Variable]:
    return [tf.Variable(tf.zeros_like(each)) for each in trained]


def _adam(trained: list[tf.Variable], beta1=0.9, beta2=0.999) -> Callable:
    powers = [tf.Variable(beta1), tf.Variable(beta2)]
    moments = list(zip(_zeros_like(trained), _zeros_like(trained), strict=True))

    def update(gradients):
        for weight, (first, second), gradient in zip(trained, moments, gradients, strict=True):
            tf.raw_ops.ResourceApplyAdam(
                var=weight.handle,
                m=first.handle,
                v=second.handle,
                beta1_power=powers[0],
                beta2_power=powers[1],
                lr=LEARNING_RATES["adam"],
                beta1=beta1,
                beta2=beta2,
                epsilon=1e-7,
                grad=gradient,
            )
        for power, beta in zip(powers, (beta1, beta2), strict=True):
            power.assign(power * beta)

    return update


def _momentum(trained: list[tf.Variable]) -> Callable:
    moments = _zeros_like(trained)

    def update(gradients):
        for weight, moment, gradient in zip(trained, moments, gradients, strict=True):
            tf.raw_ops.ResourceApplyKerasMomentum(
                var=weight.handle, accum=moment.handle, lr=LEARNING_RATES["sgd"], grad=gradient, momentum=MOMENTUM
            )

    return update


def warm_up(form: str) -> None:
    """Trace and run one small function."""
    tf.function(lambda x: x @ x)(tf.ones((2, 2))).numpy()


def _mlp(weights: _Weights, depth: int) -> Callable:
    blocks = [
        (
            weights.normal(MLP_WIDTH, MLP_WIDTH),
            weights.constant(MLP_WIDTH),
            weights.normal(MLP_WIDTH, MLP_WIDTH, scale=1 / depth),
            weights.constant(MLP_WIDTH),
        )
        for _ in range(depth)
    ]
    head, head_bias = weights.normal(MLP_WIDTH, CLASSES), weights.constant(CLASSES)

    def forward(x):
        for first, first_bias, second, second_bias in blocks:
            inner = tf.nn.relu(tf.nn.bias_add(x @ first, first_bias))
            x = x + tf.nn.bias_add(inner @ second, second_bias)
        return tf.nn.bias_add(x @ head, head_bias)

    return forward


def _convolution(weights: _Weights, channels: int, width: int, kernel: int = 3, stride: int = 1) -> Callable:
    """Return a convolution with normalisation, which keeps its moving statistics."""
    filters = weights.normal(kernel, kernel, channels, width)
    scale, offset = weights.constant(width, 1.0), weights.constant(width)
    moving = tf.Variable(tf.zeros(width)), tf.Variable(tf.ones(width))

    def forward(x):
        x = tf.nn.conv2d(x, filters, stride, "SAME")
        y, *statistics = tf.compat.v1.nn.fused_batch_norm(x, scale, offset, epsilon=EPSILON)
        for variable, new in zip(moving, statistics, strict=True):
            variable.assign(0.9 * variable + 0.1 * new)
        return y

    return forward


def _basic(weights: _Weights, channels: int, width: int, stride: int) -> Callable:
    first, second = _convolution(weights, channels, width, stride=stride), _convolution(weights, width, width)
    path = tf.identity if channels == width else _convolution(weights, channels, width, 1, stride)
    return lambda x: tf.nn.relu(path(x) + second(tf.nn.relu(first(x))))


def _resnet(weights: _Weights, depth: int) -> Callable:
    stem, blocks, channels = _convolution(weights, 3, 16), [], 16
    for width in (16, 32, 64):
        for place in range((depth - 2) // 6):
            blocks.append(_basic(weights, channels, width, 2 if place == 0 and width > 16 else 1))
            channels = width
    head, head_bias = weights.normal(channels, CLASSES), weights.constant(CLASSES)

    def forward(x):
        x = tf.nn.relu(stem(x))
        for block in blocks:
            x = block(x)
        return tf.nn.bias_add(tf.reduce_mean(x, (1, 2)) @ head, head_bias)

    return forward
