"""The version of this package that is installed."""

from importlib.metadata import version

__version__ = version("reskeras")
