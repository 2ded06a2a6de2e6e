"""Inputs that would break a reader, how they are counted, and what may be shown of them."""

from __future__ import annotations

import json
import os
import unicodedata
from collections import Counter
from contextlib import contextmanager

import pytest
from command import command
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

INPUTS = int(os.environ.get("RESKERAS_FUZZ", 100))

FUZZED: Counter[str] = Counter()
FAULTS: Counter[str] = Counter()
"""How many inputs each reader has had, and how many brought it down."""


@contextmanager
def counted(name: str):
    """Count an input, and whether anything but what is declared comes of it."""
    FUZZED[name] += 1
    try:
        yield
    except BaseException:
        FAULTS[name] += 1
        raise


class Content(bytes):
    """Bytes that are told briefly where a test fails."""

    def __repr__(self) -> str:
        return f"{bytes(self[:60])!r} of {len(self):,} bytes"


fuzz = settings(
    max_examples=INPUTS,
    deadline=None,
    # Here the same each time, for a fault that is found by chance in a change that did not make it helps nobody.
    derandomize="RESKERAS_FUZZ" not in os.environ,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)

BLOCKED = ("\x1b", "\x07", "\x9b", "\x85", "\u202e", "\u2066", "\u200f", "\u2028")
"""Signs that steer a terminal or turn the direction of writing."""

EVIL = "\x1b[2J\x1b]0;title\x07red\u202egnp.exe\x9b31m\u2028[/bold][link=x]"
"""A text that does both, with what looks like markup."""


@pytest.fixture(scope="module", autouse=True)
def figures():
    """Print, after the last test of a file, how many inputs it has tried."""
    FUZZED.clear()
    FAULTS.clear()
    yield
    told = ", ".join(f"{name} {count:,}" for name, count in sorted(FUZZED.items()))
    print(f"\ninputs fuzzed: {told}; {FUZZED.total():,} in all, faults: {FAULTS.total():,}")


NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.sampled_from([10**400, -1, 0, 2**31, 2**63, 2**64]),
    st.floats(),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=8), st.sampled_from([EVIL, "../../x", "nan"])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=6,
)
MADE_UP = st.one_of(
    st.binary(max_size=200),
    st.sampled_from([b"", b"[" * 100_000, b'{"a":' * 50_000, b"9" * 100_000, b"\xff\xfe", b'"\\ud800"', b"NaN"]),
    VALUES.map(lambda value: json.dumps(value).encode()),
)


@st.composite
def mutations(draw, content: bytes):
    """Return bytes that were a real file's: some changed, some gone, some doubled; or a value of its JSON."""
    kind = draw(st.sampled_from(["bytes", "cut", "double", "values", "values", "made up"]))
    if kind == "made up":
        return Content(draw(MADE_UP))
    if kind == "values":
        return Content(b"".join(draw(changed_line(line)) for line in content.splitlines(keepends=True)))
    place = draw(st.integers(0, len(content)))
    if kind == "cut":
        return Content(content[:place])
    if kind == "double":
        return Content(content[:place] + content[draw(st.integers(0, place)) :])
    changed = bytearray(content)
    for at in draw(st.lists(st.integers(0, max(len(content) - 1, 0)), max_size=4)):
        changed[at : at + 1] = draw(st.binary(min_size=1, max_size=4))
    return Content(changed)


@st.composite
def changed_line(draw, line: bytes):
    """Return a line of JSON with another value somewhere in it; any other line as it is."""
    try:
        content = json.loads(line)
    except ValueError:
        return line
    if draw(st.booleans()):
        content = draw(changed_value(content))
    return json.dumps(content).encode() + b"\n"


def changed_value(value):
    inner = []
    if isinstance(value, dict):
        inner = [
            changed_value(each).map(lambda new, name=name: {**value, name: new}) for name, each in list(value.items())
        ]
        inner += [st.just({other: each for other, each in value.items() if other != name}) for name in value]
        inner += [st.just({**value, EVIL: EVIL})]
    if isinstance(value, list) and value:
        inner = [
            changed_value(value[place]).map(lambda new, place=place: [*value[:place], new, *value[place + 1 :]])
            for place in {0, len(value) - 1}
        ]
    return st.one_of(VALUES, *inner)


def check_shown(text: str) -> None:
    """Check that a text can be written to a terminal and steers nothing."""
    text.encode()
    assert not any(sign in text for sign in BLOCKED), repr(text)
    assert all(unicodedata.category(sign) not in ("Cc", "Cs") or sign == "\n" for sign in text), repr(text)


def check_command(*words: object) -> str:
    """Check that a command ends by itself, with nothing on the screen that steers it."""
    done = command(*words)
    assert done.code in (0, 1, 2)
    check_shown(done.out)
    check_shown(done.err)
    return done.out
