"""The tables of README.md and FORMAT.md, rendered from the declarations: `python tests/readme.py` writes them there."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from reskeras import layers, weights
from reskeras.catalogue import ARCHITECTURES
from reskeras.datasets import EMBEDDED
from reskeras.options import describe
from reskeras.recipes import RECIPES
from reskeras.runs import TrainingOptions, statistics
from reskeras.tasks import TASKS

README = Path(__file__).parents[1] / "README.md"
FORMAT = Path(__file__).parents[1] / "reskeras" / "runs" / "FORMAT.md"


def table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table; what a cell holds of Markdown's own sign for columns is kept from it."""
    head, *lines = ("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in (columns, *rows))
    return "\n".join([head, "|---" * len(columns) + "|", *lines])


def folded(summary: str, content: str) -> str:
    """Return content that a reader opens by its summary."""
    return f"<details><summary>{summary}</summary>\n\n{content}\n\n</details>"


def architectures_table() -> str:
    """Return one row for each architecture."""
    rows = []
    for name, entry in ARCHITECTURES.items():
        skips = next(option for option in describe(entry.options) if option.name == "skip").choices
        rows.append((f"`{name}`", entry.summary, ", ".join(skips), ", ".join(entry.inputs), entry.task, entry.paper))
    return table(("name", "what it is", "skips", "takes", "gives", "source"), rows)


def presets_tables() -> str:
    """Return the presets of each family, folded."""
    columns = ("preset", "parameters", "the paper prints", "sample", "classes")
    parts = []
    for name, entry in ARCHITECTURES.items():
        rows = [
            (
                f"`{preset.name}`",
                f"{preset.parameters:,}",
                preset.paper,
                "x".join(map(str, preset.input_shape)),
                f"{preset.classes:,}",
            )
            for preset in entry.presets
        ]
        if rows:
            names = f"{rows[0][0]} to {rows[-1][0]}" if len(rows) > 1 else rows[0][0]
            parts.append(folded(f"{name}: {names.replace('`', '')}", table(columns, rows)))
    return "\n".join(parts)


def options_table(options) -> str:
    """Return one row for each option of a group."""
    rows = (
        (f"`{option.flag}`", option.help, option.allowed, "" if option.default is None else f"`{option.default}`")
        for option in describe(options)
    )
    return table(("option", "what it does", "allowed", "default"), rows)


def options_tables() -> str:
    """Return the options of each architecture, folded."""
    return "\n".join(folded(name, options_table(entry.options)) for name, entry in ARCHITECTURES.items())


def names_table(module: ModuleType, columns: tuple[str, str]) -> str:
    """Return one row for each public name of a module, with the first paragraph of its docstring."""
    first = {name: inspect.getdoc(getattr(module, name)).split("\n\n")[0] for name in module.__all__}
    return table(columns, ((f"`{name}`", " ".join(text.split())) for name, text in first.items()))


def tasks_table() -> str:
    """Return one row for each task."""
    rows = [
        (
            f"`{name}`",
            each.answer,
            ", ".join(each.inputs),
            each.head,
            " + ".join(f"`{loss}`" for loss in each.losses),
            each.accuracy,
            ", ".join(score.replace("_", " ") for score in each.scores),
        )
        for name, each in TASKS.items()
    ]
    columns = ("task", "learns", "from", "the network ends with", "loss", "accuracy is the share of", "and on the test")
    return table(columns, rows)


def data_table() -> str:
    """Return one row for each embedded data set."""
    rows = [
        (
            f"`{name}`",
            each.summary,
            each.shape.kind,
            f"{each.shape.train:,} + {each.shape.test:,}",
            TASKS[each.shape.task].answer,
            each.source,
            each.baseline,
        )
        for name, each in EMBEDDED.items()
    ]
    columns = ("data set", "what it is", "samples", "training + test", "learns", "source", "right without a network")
    return table(columns, rows)


def statistics_table() -> str:
    """Return one row for each statistic."""
    tables = {"weights": statistics.OF_WEIGHTS, "blocks": statistics.OF_BLOCKS, "run": statistics.OF_RUN}
    rows = [(f"`{each.name}`", name, each.level, each.meaning) for name, of in tables.items() for each in of]
    return table(("statistic", "table", "level", "what it is"), rows)


def recipes_table() -> str:
    """Return one row for each recipe."""
    flags = {option.name: option for option in describe(TrainingOptions)}
    rows = []
    for name, recipe in RECIPES.items():
        words = [
            (flags[each].flag if value else "--no-" + flags[each].flag[2:])
            if isinstance(value, bool)
            else f"{flags[each].flag} {value}"
            for each, value in recipe.values.items()
            if value != flags[each].default
        ]
        rows.append((f"`{name}`", recipe.summary, f"`{' '.join(words)}`", recipe.source))
    return table(("recipe", "for", "options", "source"), rows)


def tables() -> dict[str, str]:
    """Return every table by the name of its place."""
    return {
        "architectures": architectures_table(),
        "presets": presets_tables(),
        "tasks": tasks_table(),
        "data": data_table(),
        "training": options_table(TrainingOptions),
        "recipes": recipes_table(),
        "layers": names_table(layers, ("layer", "what it is")),
        "weights": names_table(weights, ("function", "what it does")),
        "options": options_tables(),
        "statistics": statistics_table(),
    }


def rendered(text: str) -> str:
    """Return a page's text with every table renewed between its marks."""
    marks = re.compile(r"(<!-- table (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
    known = tables()
    return marks.sub(lambda found: found[1] + known[found[2]] + "\n" + found[3], text)


if __name__ == "__main__":
    for page in (README, FORMAT):
        page.write_text(rendered(page.read_text()))
