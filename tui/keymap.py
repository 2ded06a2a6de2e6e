"""The names of all actions, by which a user gives them other keys."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from textual.app import App
from textual.binding import Binding
from textual.dom import DOMNode

from reskeras.suggestions import suggest

Owner = TypeVar("Owner", bound=DOMNode)

KEY = re.compile(r"((ctrl|shift|alt)\+)*([a-z][a-z0-9_]*|\S)")
"""A key as it may be written: a letter or sign, or a name such as f5 or pageup, with ctrl+ and the like before it."""


def named_actions(screen: str) -> Callable[[type[Owner]], type[Owner]]:
    """Return a decorator that gives each key binding of a class a name: that of the screen, a full stop, and what the
    footer calls it.

    Args:
        screen: what preferences call the screen.
    """

    def name(owner: type[Owner]) -> type[Owner]:
        declared = Binding.make_bindings(owner.__dict__.get("BINDINGS", ()))
        # A binding keeps its key as it is shown, and one of several keys becomes several.
        owner.BINDINGS = [replace(each, id=f"{screen}.{_slug(each.description)}") for each in declared]
        owner._merged_bindings = owner._merge_bindings()
        return owner

    return name


def _slug(description: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", description.lower()).strip("-")


def actions(classes: Mapping[str, type[DOMNode]]) -> dict[str, list[Binding]]:
    """Return the name of each action -> its bindings, one a key.

    Args:
        classes: name of a screen -> its class.
    """
    found: dict[str, list[Binding]] = {}
    for owner in classes.values():
        for each in owner.__dict__.get("BINDINGS", ()):
            found.setdefault(each.id, []).append(each)
    return found


def keymap(classes: Mapping[str, type[DOMNode]], keys: Mapping[str, str], file: object) -> dict[str, str]:
    """Return what Textual takes to give actions other keys.

    Args:
        classes: name of a screen -> its class.
        keys: name of an action -> its keys with commas between them.
        file: where they are from, for messages.

    Raises:
        ValueError: where there is no such action or key, or two actions of a screen would have one key.
    """
    known = actions(classes)
    wanted: dict[str, list[str]] = {}
    for name, text in keys.items():
        if name not in known:
            hint = suggest(name, list(known))
            raise ValueError(f"{file}: there is no action {name!r}.{hint} reskeras-tui config lists all.")
        wanted[name] = [key.strip() for key in text.split(",")]
        for key in wanted[name]:
            if not KEY.fullmatch(key):
                raise ValueError(f"{file}: {name} cannot have the key {key!r}: write x, f5, ctrl+x or pageup.")
    # Textual takes a key from all who share it, such as pause and resume: who is not moved is given it back.
    for name in list(wanted):
        lost = {each.key for each in known[name]}
        for other, bindings in known.items():
            if _screen(other) == _screen(name) and other not in wanted and lost & {each.key for each in bindings}:
                wanted[other] = [each.key for each in bindings]
    _check_clashes(known, wanted, file)
    return {name: ",".join(dict.fromkeys(found)) for name, found in wanted.items()}


def _screen(name: str) -> str:
    return name.split(".")[0]


def _check_clashes(known: Mapping[str, list[Binding]], wanted: Mapping[str, list[str]], file: object) -> None:
    before = {name: {each.key for each in bindings} for name, bindings in known.items()}
    after = {name: {App._normalize_keymap({name: ",".join(keys)})[name]} for name, keys in wanted.items()}
    after = {name: set(",".join(keys).split(",")) for name, keys in after.items()}
    for name, keys in after.items():
        for other in known:
            if other == name or _screen(other) != _screen(name):
                continue
            shared = keys & after.get(other, before[other])
            if shared and not before[name] & before[other]:
                raise ValueError(f"{file}: {name} and {other} would both have the key {sorted(shared)[0]}.")
