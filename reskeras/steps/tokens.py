"""Steps on sequences of tokens: embeddings, positions, attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from reskeras.steps.step import PlanError, Start, Step


@dataclass(frozen=True)
class Tokens(Step):
    """A sample as a sequence of tokens of `width`, mapped linearly, each with a bias that is its learned position.

    Tokens are patches of `patch` x `patch` for an image, time steps for a sequence, and single features for a vector;
    features are of different kinds, so each has a map of its own, where patches and time steps share one.
    """

    width: int
    patch: int = 1
    word: ClassVar[str] = "tokens"

    def output_shape(self, shape):
        if len(shape) == 3:
            return ((shape[0] // self.patch) * (shape[1] // self.patch), self.width)
        return (shape[0], self.width)

    def parameters(self, shape):
        tokens = self.output_shape(shape)[0]
        kernel = {1: tokens, 2: shape[-1], 3: self.patch**2 * shape[-1]}[len(shape)] * self.width
        return kernel + tokens * self.width

    def multiply_adds(self, shape):
        tokens = self.output_shape(shape)[0]
        return tokens * {1: 1, 2: shape[-1], 3: self.patch**2 * shape[-1]}[len(shape)] * self.width

    def text(self):
        return f"tokens {self.width}" + (f" of {self.patch}x{self.patch}" if self.patch > 1 else "")


@dataclass(frozen=True)
class Sequence(Step):
    """The grid of a feature map as a sequence, row by row: (height, width, channels) to (height * width, channels)."""

    word: ClassVar[str] = "sequence"

    def output_shape(self, shape):
        return (shape[0] * shape[1], shape[2])

    def activations(self, shape):
        return 0


@dataclass(frozen=True)
class Embedding(Step):
    """A vector of `width` for each of `vocabulary` token numbers.

    Attributes:
        masked: whether the number 0 is padding that the layers after it leave out.
        scaled: whether vectors are multiplied by the root of the width (Vaswani et al. 2017, section 3.4).
        shared: whether the table is that of the plan's encoder, which is counted there.
    """

    vocabulary: int
    width: int
    masked: bool = False
    scaled: bool = False
    shared: bool = False
    initializer: Start = "uniform"
    word: ClassVar[str] = "embedding"

    def output_shape(self, shape):
        return (*shape, self.width)

    def parameters(self, shape):
        return 0 if self.shared else self.vocabulary * self.width

    def text(self):
        return f"embedding {self.vocabulary} x {self.width}" + (" (shared)" if self.shared else "")


@dataclass(frozen=True)
class SpelledEmbedding(Step):
    """A vector for each word, of which a part is looked up by the word's number and the rest is made of its characters.

    That part is the maximum, over the word, of a convolution of the characters' own vectors (Santos and Zadrozny 2014;
    Ma and Hovy 2016, 1603.01354, section 2.1). The word of number 0 is padding that the layers after it leave out.

    Attributes:
        vocabulary: how many numbers of words there are.
        alphabet: how many numbers of characters there are.
        width: size of a word's whole vector.
        filters: the part of it that is made of the characters.
        character_width: size of a character's vector.
        kernel: characters that the convolution sees at once.
    """

    vocabulary: int
    alphabet: int
    width: int
    filters: int
    character_width: int = 30
    kernel: int = 3
    masked: ClassVar[bool] = True
    word: ClassVar[str] = "embedding"

    def __post_init__(self):
        if not 0 < self.filters < self.width:
            raise PlanError(
                f"A part of a word's vector is made of its characters; received {self.filters} of {self.width} numbers."
            )

    def output_shape(self, shape):
        if shape[1] < 2:
            raise PlanError(f"A word comes with one character or more; received samples of shape {shape}.")
        return (shape[0], self.width)

    def parameters(self, shape):
        convolution = (self.kernel * self.character_width + 1) * self.filters
        tables = self.vocabulary * (self.width - self.filters) + self.alphabet * self.character_width
        return tables + convolution

    def multiply_adds(self, shape):
        return shape[0] * (shape[1] - 1) * self.kernel * self.character_width * self.filters

    def activations(self, shape):
        return shape[0] * ((shape[1] - 1) * (self.character_width + self.filters) + 2 * self.width)

    def text(self):
        return (
            f"[embedding {self.vocabulary} x {self.width - self.filters}, max of conv {self.kernel} {self.filters} of "
            f"embedding {self.alphabet} x {self.character_width}]"
        )


@dataclass(frozen=True)
class Segments(Step):
    """A learned vector for each of `types` segments is added, chosen by the second input (BERT, 1810.04805)."""

    types: int
    initializer: Start = "uniform"
    word: ClassVar[str] = "segments"

    def parameters(self, shape):
        return self.types * shape[-1]

    def text(self):
        return f"+ segments {self.types}"


@dataclass(frozen=True)
class Positions(Step):
    """A vector for each of `most` positions is added: `"learned"`, or `"sinusoidal"` (Vaswani et al. 2017, 3.5)."""

    most: int
    kind: str = "learned"
    initializer: Start = "uniform"
    word: ClassVar[str] = "positions"

    def output_shape(self, shape):
        if shape[0] > self.most:
            raise PlanError(f"The network has {self.most} positions; received a sequence of {shape[0]} tokens.")
        return shape

    def parameters(self, shape):
        return self.most * shape[-1] if self.kind == "learned" else 0

    def text(self):
        return f"+ {self.kind} positions"


@dataclass(frozen=True)
class ClassToken(Step):
    """A learned token in front of the others, which the head reads (BERT; Dosovitskiy et al. 2020, equation 1)."""

    word: ClassVar[str] = "classtoken"

    def output_shape(self, shape):
        return (shape[0] + 1, shape[1])

    def parameters(self, shape):
        return shape[-1]

    def text(self):
        return "class token"


@dataclass(frozen=True)
class FirstToken(Step):
    """The first token of the sequence."""

    word: ClassVar[str] = "firsttoken"

    def output_shape(self, shape):
        return shape[1:]

    def text(self):
        return "first token"


@dataclass(frozen=True)
class Attention(Step):
    """Multi-head self-attention (Vaswani et al. 2017).

    Attributes:
        heads: how many heads share the width.
        dropout: dropout of attention weights.
        causal: whether a token sees only those before it and itself.
        bias: whether the four maps have biases.
        rotary: whether queries and keys are turned by their position (Su et al. 2021, 2104.09864).
        initializer: how the maps of query, key and value start; `output_initializer`, how the output's starts.
        value_initializer: how the map of values starts; None as those of query and key.
        key_width: size of queries and keys in each head; 0 for the width divided by the heads.
    """

    heads: int
    dropout: float = 0.0
    causal: bool = False
    bias: bool = True
    rotary: bool = False
    initializer: Start = "glorot_uniform"
    output_initializer: Start = "glorot_uniform"
    value_initializer: Start | None = None
    key_width: int = 0
    word: ClassVar[str] = "attention"

    def parameters(self, shape):
        keys = self.key_width * self.heads or shape[-1]
        return 2 * shape[-1] * (shape[-1] + self.bias) + 2 * keys * (shape[-1] + self.bias)

    def multiply_adds(self, shape):
        time, width = shape
        keys = self.key_width * self.heads or width
        return (time * 2 * width + time**2) * (width + keys)

    def activations(self, shape):
        time, width = shape
        keys = self.key_width * self.heads or width
        return time * (3 * width + 2 * keys) + 2 * self.heads * time**2

    def text(self):
        return f"{'causal ' if self.causal else ''}attention {self.heads} heads"


@dataclass(frozen=True)
class CrossAttention(Step):
    """Multi-head attention to the `memory` tokens that the plan's encoder gives, of the same width.

    The other attributes are those of `Attention`.
    """

    heads: int
    memory: int
    dropout: float = 0.0
    bias: bool = True
    initializer: Start = "glorot_uniform"
    output_initializer: Start = "glorot_uniform"
    value_initializer: Start | None = None
    key_width: int = 0
    word: ClassVar[str] = "crossattention"

    def parameters(self, shape):
        keys = self.key_width * self.heads or shape[-1]
        return 2 * shape[-1] * (shape[-1] + self.bias) + 2 * keys * (shape[-1] + self.bias)

    def multiply_adds(self, shape):
        time, width = shape
        keys = self.key_width * self.heads or width
        return (time + self.memory) * width * (width + keys) + time * self.memory * (width + keys)

    def activations(self, shape):
        time, width = shape
        keys = self.key_width * self.heads or width
        return time * (2 * width + keys) + self.memory * (width + keys) + 2 * self.heads * time * self.memory

    def text(self):
        return f"attention {self.heads} heads to the encoder"


@dataclass(frozen=True)
class TiedLogits(Step):
    """A logit for each word: products with the embedding's own table, which has no weights but a bias of its own."""

    vocabulary: int
    bias: bool = False
    word: ClassVar[str] = "logits"

    def output_shape(self, shape):
        return (*shape[:-1], self.vocabulary)

    def parameters(self, shape):
        return self.vocabulary if self.bias else 0

    def multiply_adds(self, shape):
        time = shape[0] if len(shape) > 1 else 1
        return time * shape[-1] * self.vocabulary

    def text(self):
        return f"tied logits {self.vocabulary}"
