"""The operations a network is written with: each a piece of data that knows its shape and its cost."""

from reskeras.steps.common import Activation, Dense, Dropout, DropPath, Flatten, Norm, Standardize
from reskeras.steps.convolution import AveragePool, Conv, GlobalPool, MaxPool, Pad, PadChannels
from reskeras.steps.recurrent import LSTM
from reskeras.steps.step import (
    Cost,
    Initializer,
    PlanError,
    Shape,
    Start,
    Step,
    chain_cost,
    chain_parameters,
    chain_shape,
)
from reskeras.steps.tokens import (
    Attention,
    ClassToken,
    CrossAttention,
    Embedding,
    FirstToken,
    Positions,
    Segments,
    Sequence,
    TiedLogits,
    Tokens,
)

__all__ = [
    "LSTM",
    "Activation",
    "Attention",
    "AveragePool",
    "ClassToken",
    "Conv",
    "Cost",
    "CrossAttention",
    "Dense",
    "DropPath",
    "Dropout",
    "Embedding",
    "FirstToken",
    "Flatten",
    "GlobalPool",
    "Initializer",
    "MaxPool",
    "Norm",
    "Pad",
    "PadChannels",
    "PlanError",
    "Positions",
    "Segments",
    "Sequence",
    "Shape",
    "Standardize",
    "Start",
    "Step",
    "TiedLogits",
    "Tokens",
    "chain_cost",
    "chain_parameters",
    "chain_shape",
]
