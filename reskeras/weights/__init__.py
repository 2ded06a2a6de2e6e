"""Weights of other packages in the networks and layers of this one."""

from reskeras.weights.keras_densenet import densenet_from_keras
from reskeras.weights.keras_hub import bert_from_keras_hub, gpt2_from_keras_hub
from reskeras.weights.keras_hub_layers import fill_from_keras_hub
from reskeras.weights.keras_resnet import resnet_from_keras
from reskeras.weights.torch_lstm import fill_lstm_from_torch
from reskeras.weights.torch_transformer import fill_from_torch

__all__ = [
    "bert_from_keras_hub",
    "densenet_from_keras",
    "fill_from_keras_hub",
    "fill_from_torch",
    "fill_lstm_from_torch",
    "gpt2_from_keras_hub",
    "resnet_from_keras",
]
