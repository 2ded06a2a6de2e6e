"""Measuring gradients inside the compiled training step of any Keras model."""

from reskeras.telemetry.monitor import GradientMonitor

__all__ = ["GradientMonitor"]
