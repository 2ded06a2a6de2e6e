"""The glyphs with which plots can be drawn."""

GLYPH_SETS = ("braille", "block", "ascii")
"""Glyph sets for lines, finest first."""
