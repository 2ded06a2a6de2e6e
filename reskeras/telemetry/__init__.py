"""Measuring gradients inside the compiled training step of any Keras model."""

from reskeras.telemetry.monitor import GradientMonitor
from reskeras.telemetry.watched import watch

__all__ = ["GradientMonitor", "watch"]
