"""The run that a run is to be held against: the same in everything but the skip."""

from __future__ import annotations

from reskeras.catalogue import ARCHITECTURES
from reskeras.options import OptionError, describe
from reskeras.request import Request, check_request


def twin_of(request: Request) -> Request:
    """Return the request of the same training, seed and all, without skips; of one without skips, with them.

    Raises:
        OptionError: where the family cannot do without skips, or not with the other options.
    """
    settings = request.settings
    declared = {option.name: option for option in describe(ARCHITECTURES[settings.architecture].options)}
    skip = declared.get("skip")
    if skip is None or "none" not in skip.choices:
        raise OptionError({"skip": f"{settings.architecture} has no twin without skips: it has no option skip=none."})
    other = skip.default if settings.options["skip"] == "none" else "none"
    return check_request(
        settings.architecture, {**settings.options, "skip": other}, settings.training.model_dump(exclude_none=True)
    )
