"""The networks of bench_depth.py written by hand in PyTorch, as a user without Keras writes them."""

from __future__ import annotations

import torch
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
from torch import nn
from torch.nn import functional as F

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
KEPT = 0.1
"""PyTorch's momentum of moving statistics is the share of the new one: Keras's 0.9."""


def build(network: Network, form: str) -> Peer:
    """Return a network to train: `form` is `"eager"` or `"compiled"`, or of these with images `"channels_last"`."""
    torch.manual_seed(0)
    model = _MODELS[network.kind](network.depth).to(DEVICE)
    parameters = sum(each.numel() for each in model.parameters())
    x, y = (torch.from_numpy(each).to(DEVICE) for each in network.samples())
    if network.kind == "resnet":
        x = x.movedim(-1, 1).contiguous()
    if form.endswith("channels_last"):
        model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    return Peer(_step(model, network.optimizer, x, y.long().flatten(), form.startswith("compiled")), _wait, parameters)


def _step(model: nn.Module, optimizer: str, x: torch.Tensor, y: torch.Tensor, compiled: bool):
    rate, weights = LEARNING_RATES[optimizer], model.parameters()
    if optimizer == "adam":
        update = torch.optim.Adam(weights, rate, fused=True)
    else:
        update = torch.optim.SGD(weights, rate, momentum=MOMENTUM, fused=True)
    forward = torch.compile(model) if compiled else model

    def step():
        update.zero_grad()
        F.cross_entropy(forward(x).flatten(0, -2), y).backward()
        update.step()

    return step


def _wait() -> None:
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def warm_up(form: str) -> None:
    """Train one layer for a step, compiled where the network will be."""
    model = nn.Linear(2, 2).to(DEVICE)
    x, y = torch.zeros(2, 2, device=DEVICE), torch.zeros(2, dtype=torch.long, device=DEVICE)
    _step(model, "adam", x, y, form.startswith("compiled"))()


def _he(weight: torch.Tensor, scale: float = 2.0) -> None:
    nn.init.normal_(weight, std=(scale / weight[0].numel()) ** 0.5)


def _dense(inputs: int, outputs: int, scale: float = 2.0, bias: float = 0.0) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    _he(layer.weight, scale)
    nn.init.constant_(layer.bias, bias)
    return layer


class _ResidualBlock(nn.Module):
    def __init__(self, depth: int):
        super().__init__()
        self.first = _dense(MLP_WIDTH, MLP_WIDTH)
        self.second = _dense(MLP_WIDTH, MLP_WIDTH, 1 / depth)

    def forward(self, x):
        return x + self.second(F.relu(self.first(x)))


def _mlp(depth: int) -> nn.Module:
    return nn.Sequential(*(_ResidualBlock(depth) for _ in range(depth)), _dense(MLP_WIDTH, CLASSES))


class _Highway(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.plain = _dense(width, width)
        self.gate = _dense(width, width, 1.0, bias=-2.0)

    def forward(self, x):
        return x + torch.sigmoid(self.gate(x)) * (F.relu(self.plain(x)) - x)


def _highway(depth: int, width: int = 50) -> nn.Module:
    start = nn.Sequential(_dense(784, width), nn.ReLU())
    return nn.Sequential(start, *(_Highway(width) for _ in range(depth - 1)), _dense(width, CLASSES))


def _convolution(channels: int, width: int, kernel: int, stride: int = 1) -> nn.Sequential:
    layer = nn.Conv2d(channels, width, kernel, stride, padding=kernel // 2, bias=False)
    _he(layer.weight)
    return nn.Sequential(layer, nn.BatchNorm2d(width, momentum=KEPT))


class _Basic(nn.Module):
    def __init__(self, channels: int, width: int, stride: int):
        super().__init__()
        self.first = _convolution(channels, width, 3, stride)
        self.second = _convolution(width, width, 3)
        same = stride == 1 and channels == width
        self.path = nn.Identity() if same else _convolution(channels, width, 1, stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(self.second(self.relu(self.first(x))) + self.path(x))


def _resnet(depth: int) -> nn.Module:
    parts, channels = [_convolution(3, 16, 3), nn.ReLU(inplace=True)], 16
    for width in (16, 32, 64):
        for place in range((depth - 2) // 6):
            parts.append(_Basic(channels, width, 2 if place == 0 and width > 16 else 1))
            channels = width
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), _dense(channels, CLASSES))


class _DecoderLayer(nn.Module):
    def __init__(self, depth: int):
        super().__init__()
        into_stream = 0.02 / (2 * depth) ** 0.5
        self.norm1, self.norm2 = nn.LayerNorm(GPT_WIDTH), nn.LayerNorm(GPT_WIDTH)
        self.attend, self.mix = _map(GPT_WIDTH, 3 * GPT_WIDTH), _map(GPT_WIDTH, GPT_WIDTH, into_stream)
        self.widen, self.narrow = _map(GPT_WIDTH, 4 * GPT_WIDTH), _map(4 * GPT_WIDTH, GPT_WIDTH, into_stream)

    def forward(self, x):
        heads = self.attend(self.norm1(x)).unflatten(-1, (3, GPT_HEADS, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(*heads, is_causal=True).transpose(1, 2).flatten(-2)
        x = x + self.mix(mixed)
        return x + self.narrow(F.gelu(self.widen(self.norm2(x)), approximate="tanh"))


def _map(inputs: int, outputs: int, deviation: float = 0.02) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=deviation)
    nn.init.zeros_(layer.bias)
    return layer


class _GPT(nn.Module):
    def __init__(self, depth: int):
        super().__init__()
        self.words, self.positions = nn.Embedding(GPT_WORDS, GPT_WIDTH), nn.Embedding(GPT_TIME, GPT_WIDTH)
        for table in (self.words, self.positions):
            nn.init.normal_(table.weight, std=0.02)
        self.layers = nn.Sequential(*(_DecoderLayer(depth) for _ in range(depth)), nn.LayerNorm(GPT_WIDTH))

    def forward(self, tokens):
        return self.layers(self.words(tokens) + self.positions.weight) @ self.words.weight.T


_MODELS = {"mlp": _mlp, "highway": _highway, "resnet": _resnet, "gpt": _GPT}
