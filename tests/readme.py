"""The tables of the README, rendered from the catalogue: `python tests/readme.py` writes them into the file."""

from __future__ import annotations

import re
from pathlib import Path

from reskeras.catalogue import ARCHITECTURES
from reskeras.options import describe
from reskeras.runs import TrainingOptions

README = Path(__file__).parents[1] / "README.md"


def architectures_table() -> str:
    """Return one row for each architecture."""
    rows = ["| name | what it is | skips | takes | source |", "|---|---|---|---|---|"]
    for name, entry in ARCHITECTURES.items():
        skips = next(option for option in describe(entry.options) if option.name == "skip").choices
        rows.append(f"| `{name}` | {entry.summary} | {', '.join(skips)} | {', '.join(entry.inputs)} | {entry.paper} |")
    return "\n".join(rows)


def options_table(options) -> str:
    """Return one row for each option of a group."""
    rows = ["| option | what it does | allowed | default |", "|---|---|---|---|"]
    for option in describe(options):
        default = "" if option.default is None else f"`{option.default}`"
        rows.append(f"| `{option.flag}` | {option.help} | {option.allowed} | {default} |")
    return "\n".join(rows)


def tables() -> dict[str, str]:
    """Return every table by the name of its place in the README."""
    return {
        "architectures": architectures_table(),
        "training": options_table(TrainingOptions),
        **{name: options_table(entry.options) for name, entry in ARCHITECTURES.items()},
    }


def rendered(text: str) -> str:
    """Return the README's text with every table renewed between its marks."""
    for name, table in tables().items():
        marks = re.compile(rf"(<!-- table {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if not marks.search(text):
            raise ValueError(f"The README has no place for the table {name}.")
        text = marks.sub(lambda found, table=table: found[1] + table + "\n" + found[2], text)
    return text


if __name__ == "__main__":
    README.write_text(rendered(README.read_text()))
