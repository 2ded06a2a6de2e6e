"""The networks of papers in a family as one choice, which fills in the family's options."""

from __future__ import annotations

from collections.abc import Sequence

from reskeras.architectures import Architecture
from reskeras.options import Option

from .field import OptionField

OWN = "own options"
"""Stands where the options make no network of a paper."""


class PresetField(OptionField):
    """The row that names the preset which the other rows make.

    Args:
        family: the family.
        fields: the rows of its options.
    """

    def __init__(self, family: Architecture, fields: Sequence[OptionField]) -> None:
        self._presets = {preset.name: preset for preset in family.presets}
        self._fields = fields
        notes = {
            name: f"{preset.parameters:,} parameters on {'x'.join(map(str, preset.input_shape))}"
            for name, preset in self._presets.items()
        }
        option = Option(
            "preset",
            "choice",
            OWN,
            "A network of a paper: choosing one sets the options below; data and classes stay yours.",
            choices=(OWN, *self._presets),
        )
        super().__init__(option, notes=notes)

    def fill(self) -> None:
        """Set the options to those of the preset chosen, if one is."""
        if self.value in self._presets and not self._fits(self.value):
            for field, value in self._values(self.value):
                field.show(value)

    def follow(self) -> None:
        """Show the preset that the options make; of several, the one that was chosen."""
        if not self.is_mounted:
            # A family without presets has no such row.
            return
        fitting = [name for name in (self.value, *self._presets) if name in self._presets and self._fits(name)]
        self.show(fitting[0] if fitting else OWN)

    def _fits(self, name: str) -> bool:
        return all(field.shows(value) for field, value in self._values(name))

    def _values(self, name: str):
        options = self._presets[name].options
        return [(field, options.get(field.option.name, field.option.default)) for field in self._fields]
