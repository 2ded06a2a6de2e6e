"""Measuring gradients inside the compiled training step of any Keras model."""

from reskeras.telemetry.monitor import GradientMonitor, make_ready
from reskeras.telemetry.watched import watch

__all__ = ["GradientMonitor", "make_ready", "watch"]
