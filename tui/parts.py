"""What the application opens after its first picture: imported when it is asked for, or all at once by `import_all`, so
that something is seen before any of it is there."""

from __future__ import annotations

from importlib import import_module

from reskeras.on_demand import on_demand

_HOMES = {
    "AskScreen": "screens.ask",
    "CompareScreen": "screens.compare",
    "DesignScreen": "screens.design",
    "ExportScreen": "screens.export",
    "HelpScreen": "screens.help",
    "LETTERS": "comparing",
    "Library": "run_list",
    "LiveScreen": "screens.live",
    "ReplayScreen": "screens.replay",
    "RunReader": "follow",
    "RunsScreen": "screens.runs",
    "View": "courses",
    "Warming": "warming",
    "commands": "commands",
    "prefer_glyphs": "plots.colours",
}
_MODULES = ("exporting", "judging")

__getattr__ = on_demand(__package__, _HOMES, _MODULES)


def import_all() -> None:
    """Import all of it, so that nothing has to be waited for when it is opened."""
    for module in {*_HOMES.values(), *_MODULES}:
        import_module(f"{__package__}.{module}")
