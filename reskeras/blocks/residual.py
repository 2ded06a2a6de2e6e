"""The convolutional residual blocks of the papers: basic, bottleneck, and both in pre-activation form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from reskeras.blocks import stochastic_depth
from reskeras.plan import Block, Skip, Stage
from reskeras.steps import Activation, Conv, Dropout, DropPath, Norm, Pad, PadChannels, PlanError, Start, Step

CHOICES = {
    "normalization": ("batch", "layer", "none"),
    "padding": ("same", "both"),
    # Options B, A, A with average pooling, and C of He et al. 2015, section 3.3.
    "shortcut": ("projection", "pad", "average", "everywhere"),
    "stride_in": ("first", "middle"),
}
"""What the fields of a style that are a choice may be."""


@dataclass(frozen=True)
class Style:
    """What the residual blocks of one network have in common.

    Attributes:
        normalization: `"batch"`, `"layer"` or `"none"`; without it, convolutions have biases.
        activation: an activation as Keras takes it.
        initializer: how the convolutions' kernels start.
        epsilon: what normalisation adds to the variance.
        kernel: side of the convolutions that look around; the others of a bottleneck are 1x1.
        padding: `"same"` as Keras pads, or `"both"` for as many zeros on either side where a convolution strides, as
            the authors' code, PyTorch and `keras.applications` do.
        skip: how a branch rejoins the stream; the blocks write its path.
        shortcut: how x changes shape: `"projection"`, a 1x1 convolution; `"pad"`, zeros for missing channels at every
            second position; `"average"`, the same at averages over windows; `"everywhere"`, a 1x1 convolution in
            every block, whether the shape changes or not.
        inner: share of its width that a bottleneck has inside.
        stride_in: which convolution of a bottleneck strides, the `"first"` 1x1 (2015) or the `"middle"` one (v1.5).
        shared: whether branch and skip of a pre-activation block that changes size share the first normalisation and
            activation, as in the code of He et al. 2016.
        activated: whether x comes normalised and activated, so that a pre-activation block begins with a convolution.
        silent: whether branches start at zero: by the scale of the last normalisation (Goyal et al. 2017), or where
            a branch ends with a convolution by that kernel, since a zero scale before a ReLU would get no gradient.
        dropout: dropout before the last convolution (Zagoruyko and Komodakis 2016).
        drop_path: stochastic depth of the branch.

    Raises:
        PlanError: for a `normalization`, `shortcut`, `padding` or `stride_in` that is not among these, or branches that
            start at zero where no gradient reaches them.
    """

    normalization: str = "batch"
    activation: Any = "relu"
    initializer: Start = "he_normal"
    epsilon: float = 1e-5
    kernel: int = 3
    padding: str = "same"
    skip: Skip = field(default_factory=Skip)
    shortcut: str = "projection"
    inner: float = 0.25
    stride_in: str = "first"
    shared: bool = True
    activated: bool = False
    silent: bool = False
    dropout: float = 0.0
    drop_path: DropPath | None = None

    def __post_init__(self):
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise PlanError(f"{name} must be one of {', '.join(allowed)}; received {getattr(self, name)!r}.")
        if self.silent and (self.skip.kind == "none" or (self.skip.kind == "scaled" and not self.skip.scale)):
            raise PlanError(
                "A branch that starts at zero needs a skip that carries x and lets the gradient reach the branch, such "
                f"as 'add'. Received: skip {self.skip.kind!r}"
            )

    def norm(self, zero: bool = False) -> tuple[Step, ...]:
        """Return the normalisation, if any; `zero` starts its scale at 0."""
        return () if self.normalization == "none" else (Norm(self.normalization, zero, self.epsilon),)

    def norm_activation(self) -> tuple[Step, ...]:
        """Return the normalisation, if any, and the activation."""
        return (*self.norm(), Activation(self.activation))

    def conv(self, filters: int, kernel: int, stride: int = 1, zero: bool = False) -> tuple[Step, ...]:
        """Return a convolution, behind its zeros where it pads both sides; `zero` starts its kernel at 0."""
        both = self.padding == "both" and stride > 1 and kernel > 1
        conv = Conv(
            filters,
            kernel,
            stride,
            bias=self.normalization == "none",
            padding="valid" if both else "same",
            initializer="zeros" if zero else self.initializer,
        )
        return (Pad(kernel // 2), conv) if both else (conv,)

    def path(self, channels: int, width: int, stride: int, norm: tuple[Step, ...] = ()) -> tuple[Step, ...]:
        """Return the steps that give x the shape of the branch; `norm` follows a projection."""
        same_shape = stride == 1 and channels == width
        if self.skip.kind == "none" or (same_shape and self.shortcut != "everywhere"):
            return ()
        if self.shortcut in ("pad", "average"):
            return (PadChannels(width, stride, "first" if self.shortcut == "pad" else "average"),)
        return (*self.conv(width, 1, stride), *norm)

    def ending(self) -> tuple[Step, ...]:
        """Return the last step of a branch, if any."""
        return (self.drop_path,) if self.drop_path else ()

    def drop(self) -> tuple[Step, ...]:
        """Return the dropout before the last convolution, if any."""
        return (Dropout(self.dropout),) if self.dropout else ()


WriteBlock = Callable[[Style, int, int, int], Block]
"""A function of a style, the channels of x, the channels that the block gives (`width`), and the stride."""


def basic(style: Style, channels: int, width: int, stride: int = 1) -> Block:
    """Two convolutions; the activation follows the addition (He et al. 2015, figure 5 left)."""
    first = style.conv(width, style.kernel, stride)
    return _post(style, (*first, *style.norm_activation()), style.kernel, channels, width, stride)


def bottleneck(style: Style, channels: int, width: int, stride: int = 1) -> Block:
    """Convolutions of 1x1, 3x3 and 1x1; the activation follows the addition (He et al. 2015, figure 5 right)."""
    return _post(style, _narrow(style, width, stride), 1, channels, width, stride)


def preactivation(style: Style, channels: int, width: int, stride: int = 1) -> Block:
    """Two convolutions, each behind its normalisation and activation (He et al. 2016, figure 4 e)."""
    first = style.conv(width, style.kernel, stride)
    return _pre(style, (*first, *style.norm_activation()), style.kernel, channels, width, stride)


def preactivation_bottleneck(style: Style, channels: int, width: int, stride: int = 1) -> Block:
    """The bottleneck with normalisation and activation before each convolution (He et al. 2016)."""
    return _pre(style, _narrow(style, width, stride), 1, channels, width, stride)


def writer(narrow: bool, post: bool) -> WriteBlock:
    """Return the function that writes bottlenecks or basic blocks, with the activation after the addition or before."""
    if narrow:
        return bottleneck if post else preactivation_bottleneck
    return basic if post else preactivation


def _narrow(style: Style, width: int, stride: int) -> tuple[Step, ...]:
    """Return the part of a bottleneck before its last convolution."""
    inner = max(round(width * style.inner), 1)
    first, middle = (stride, 1) if style.stride_in == "first" else (1, stride)
    return (
        *style.conv(inner, 1, first),
        *style.norm_activation(),
        *style.conv(inner, style.kernel, middle),
        *style.norm_activation(),
    )


def _post(style: Style, start: tuple[Step, ...], kernel: int, channels: int, width: int, stride: int) -> Block:
    norm = style.norm(zero=style.silent)
    last = style.conv(width, kernel, zero=style.silent and not norm)
    skip = replace(style.skip, path=style.path(channels, width, stride, style.norm()))
    branch = (*start, *style.drop(), *last, *norm, *style.ending())
    return Block(branch, skip, after=(Activation(style.activation),))


def _pre(style: Style, start: tuple[Step, ...], kernel: int, channels: int, width: int, stride: int) -> Block:
    last = style.conv(width, kernel, zero=style.silent)
    skip = replace(style.skip, path=style.path(channels, width, stride))
    branch, opening = (*start, *style.drop(), *last, *style.ending()), style.norm_activation()
    if style.activated:
        return Block(branch, skip)
    if style.shared and skip.path:
        return Block(branch, skip, before=opening)
    return Block((*opening, *branch), skip)


def stages(
    write: WriteBlock,
    style: Style,
    channels: int,
    sizes: Sequence[tuple[int, int, int]],
    drop_path: DropPath | None = None,
) -> tuple[Stage, ...]:
    """Return stages of blocks.

    Args:
        write: the function that writes a block.
        style: its style; of `activated` only the first block takes notice.
        channels: channels of the stem.
        sizes: (blocks, channels, stride of the first block) of each stage.
        drop_path: stochastic depth of the last block; those before are dropped less often.
    """
    rates = iter(stochastic_depth.linear(sum(count for count, _, _ in sizes), drop_path.rate if drop_path else 0.0))
    found = []
    for count, width, first_stride in sizes:
        blocks = []
        for stride in (first_stride, *(1,) * (count - 1)):
            rate = next(rates)
            ending = replace(drop_path, rate=rate) if rate else None
            blocks.append(write(replace(style, drop_path=ending), channels, width, stride))
            channels, style = width, replace(style, activated=False)
        found.append(Stage(tuple(blocks)))
    return tuple(found)
