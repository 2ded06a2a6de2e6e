"""The architectures, in the order that people are shown them, and the look-up by name."""

from reskeras.architectures import Architecture
from reskeras.architectures.densenet import DENSENET
from reskeras.architectures.highway import HIGHWAY
from reskeras.architectures.plain import PLAIN
from reskeras.architectures.resnet import RESNET
from reskeras.architectures.transformer import TRANSFORMER
from reskeras.options import OptionError, check, suggest
from reskeras.plan import Plan

ARCHITECTURES: dict[str, Architecture] = {each.name: each for each in (RESNET, PLAIN, DENSENET, HIGHWAY, TRANSFORMER)}


def architecture(name: str) -> Architecture:
    """Return the architecture called `name`.

    Raises:
        OptionError: where there is none, with the names that exist and the nearest.
    """
    if name not in ARCHITECTURES:
        known, near = ", ".join(ARCHITECTURES), suggest(name, ARCHITECTURES)
        raise OptionError({"architecture": f"There is no architecture {name!r} (architectures: {known}).{near}"})
    return ARCHITECTURES[name]


def plan(name: str, input_shape: tuple[int, ...], classes: int, **options) -> Plan:
    """Return a network as data: `plan("resnet", (32, 32, 3), 10, depth=20)`.

    Args:
        name: an architecture's name.
        input_shape: shape of one sample.
        classes: how many classes to tell apart.
        **options: the architecture's options; the others keep their defaults.

    Raises:
        OptionError: for an option that cannot be used.
        PlanError: where the architecture does not take samples of this shape.
    """
    entry = architecture(name)
    return entry.plan(check(entry.options, options, name), tuple(input_shape), classes)
