"""Weights of other packages in the networks and layers of this one."""

from reskeras.weights.keras_densenet import densenet_from_keras
from reskeras.weights.keras_resnet import resnet_from_keras

__all__ = ["densenet_from_keras", "resnet_from_keras"]
