"""Keras layers to import anywhere: each one concept, saved, loaded and masked like Keras's own."""

from reskeras.layers.activation import TanhGELU
from reskeras.layers.attention import CrossAttention, SelfAttention
from reskeras.layers.batch_norm import BatchNormalization
from reskeras.layers.deep import DeepModel as _DeepModel  # noqa: F401 (files of deep networks name it)
from reskeras.layers.dense_blocks import DenseBlock, DenselyConnected, Transition
from reskeras.layers.drop_path import DropPath
from reskeras.layers.embedding import PositionEmbedding, SegmentEmbedding, TokenEmbedding
from reskeras.layers.gate import Gate
from reskeras.layers.highway import HighwayConv, HighwayDense
from reskeras.layers.lstm import LSTM1997
from reskeras.layers.mlp import ResidualMLPBlock, SkipLayerMLP
from reskeras.layers.padding import PadChannels
from reskeras.layers.recompute import Recompute
from reskeras.layers.residual import Residual
from reskeras.layers.residual_blocks import (
    BasicBlock,
    BottleneckBlock,
    PreActivationBlock,
    PreActivationBottleneck,
    Projection,
    WideBlock,
)
from reskeras.layers.scaling import Scale, ScaledAdd
from reskeras.layers.spelling import SpelledEmbedding
from reskeras.layers.stack import Stack
from reskeras.layers.stacked_lstm import StackedLSTM
from reskeras.layers.tokens import Bias, ClassToken, FirstToken, Sequence, Tokens
from reskeras.layers.transformer import DecoderBlock, EncoderBlock

__all__ = [
    "LSTM1997",
    "BasicBlock",
    "BatchNormalization",
    "Bias",
    "BottleneckBlock",
    "ClassToken",
    "CrossAttention",
    "DecoderBlock",
    "DenseBlock",
    "DenselyConnected",
    "DropPath",
    "EncoderBlock",
    "FirstToken",
    "Gate",
    "HighwayConv",
    "HighwayDense",
    "PadChannels",
    "PositionEmbedding",
    "PreActivationBlock",
    "PreActivationBottleneck",
    "Projection",
    "Recompute",
    "Residual",
    "ResidualMLPBlock",
    "Scale",
    "ScaledAdd",
    "SegmentEmbedding",
    "SelfAttention",
    "Sequence",
    "SkipLayerMLP",
    "SpelledEmbedding",
    "Stack",
    "StackedLSTM",
    "TanhGELU",
    "TokenEmbedding",
    "Tokens",
    "Transition",
    "WideBlock",
]
