"""GPT: a Transformer decoder that predicts the next token (Radford et al. 2019; Brown et al. 2020)."""

from typing import ClassVar

from pydantic import Field

from reskeras.architectures import Architecture, Preset
from reskeras.architectures.transformer_options import TransformerOptions
from reskeras.blocks.stochastic_depth import linear
from reskeras.blocks.transformer import feed_forward
from reskeras.plan import Block, Plan, Stage
from reskeras.steps import Attention, Dropout, Embedding, Initializer, Norm, Positions, TiedLogits

START = Initializer("RandomNormal", stddev=0.02)


class GPTOptions(TransformerOptions):
    """Options of a GPT."""

    title: ClassVar[str] = "A GPT"
    dropout: float = Field(
        0.1, ge=0, lt=1, description="Dropout of attention weights, of each part's output, and of the embeddings."
    )
    positions: int = Field(1024, ge=1, le=1_048_576, description="Longest sequence, in tokens.")


def plan(options: GPTOptions, input_shape, classes) -> Plan:
    """Write the embeddings, `depth` layers that see only what came before, and the logits; classes are words."""
    drop = (Dropout(options.dropout),) if options.dropout else ()
    words = Embedding(classes, options.width, initializer=START)
    stem = (words, Positions(options.positions, initializer=START), *drop)
    layers = [_layer(options, rate) for rate in linear(options.depth, options.drop_path, from_zero=True)]
    ending = (Norm("layer", epsilon=options.epsilon),) if options.norm == "pre" else ()
    head = (*ending, TiedLogits(classes))
    return Plan(f"gpt-{options.depth}", input_shape, classes, stem, (Stage(sum(layers, ())),), head)


def _layer(options: GPTOptions, drop_path: float) -> tuple[Block, ...]:
    # "We scale the weights of residual layers at initialization by a factor of 1/sqrt(N) where N is the number of
    # residual layers" (Radford et al. 2019, section 2.3): two of them a layer.
    into_stream = Initializer("RandomNormal", stddev=0.02 / (2 * options.depth) ** 0.5)
    attention = Attention(
        options.heads, options.dropout, causal=True, initializer=START, output_initializer=into_stream
    )
    joint = options.joint("feedforward", drop_path)
    return (
        options.joint("attention", drop_path).block((attention,), "attention"),
        feed_forward(joint, options.width, options.units(), "gelu_tanh", START, into_stream),
    )


VOCABULARY = 50_257


def _preset(name: str, depth: int, width: int, heads: int, parameters: int, paper: str, positions=1024) -> Preset:
    options = {"depth": depth, "width": width, "heads": heads, "positions": positions}
    return Preset(name, options, (positions,), VOCABULARY, parameters, paper)


def _gpt3(name: str, depth: int, width: int, heads: int, parameters: int, paper: str) -> Preset:
    return _preset(name, depth, width, heads, parameters, paper, positions=2048)


GPT = Architecture(
    name="gpt",
    summary="Transformer decoder that predicts the next token.",
    paper="Radford et al. 2019; Brown et al. 2020 (2005.14165)",
    inputs=("tokens",),
    options=GPTOptions,
    write=plan,
    tiny={"depth": 1, "width": 8, "heads": 2, "dropout": 0.0, "positions": 8},
    presets=(
        # The released models; the paper's own sizes are those of a vocabulary of 40,478.
        _preset("gpt2", 12, 768, 12, 124_439_808, "117M"),
        _preset("gpt2-medium", 24, 1024, 16, 354_823_168, "345M"),
        _preset("gpt2-large", 36, 1280, 20, 774_030_080, "762M"),
        _preset("gpt2-xl", 48, 1600, 25, 1_557_611_200, "1542M"),
        _gpt3("gpt3-small", 12, 768, 12, 125_226_240, "125M"),
        _gpt3("gpt3-medium", 24, 1024, 16, 355_871_744, "356M"),
        _gpt3("gpt3-large", 24, 1536, 16, 760_300_032, "760M"),
        # 16 heads of 128: the table's 24 heads of 128 are not 2,048.
        _gpt3("gpt3-xl", 24, 2048, 16, 1_315_723_264, "1320M"),
        _gpt3("gpt3-2.7b", 32, 2560, 32, 2_651_553_280, "2650M"),
        _gpt3("gpt3-6.7b", 32, 4096, 32, 6_658_404_352, "6660M"),
        # A width of 5,120 is 40 heads of 128, and gives the parameters of table D.1; table 2.1's 5,140 does not.
        _gpt3("gpt3-13b", 40, 5120, 40, 12_853_386_240, "12850M"),
        _gpt3("gpt3-175b", 96, 12_288, 96, 174_604_259_328, "174600M"),
    ),
    task="language",
)
