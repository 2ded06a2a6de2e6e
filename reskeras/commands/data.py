"""`reskeras data`: what a data set holds, and some of its samples; or which data sets there are."""

from __future__ import annotations

import json
from typing import Any

import click
import numpy as np

from reskeras import datasets
from reskeras.commands.common import CONTEXT, given, reading_shown
from reskeras.commands.drawing import drawn
from reskeras.commands.network_group import option_parameter
from reskeras.datasets.encoding import NAMES
from reskeras.options import check, describe
from reskeras.printable import printable
from reskeras.reading import Reading

MOST_CLASSES = 20
"""Classes that are listed with their counts; of more, the commonest."""

NAME_WIDTH = 14


def facts(name: str, data: datasets.Dataset) -> dict[str, Any]:
    """Return what a data set holds, as JSON can say it.

    `classes` is a list of each class or tag with its count in training and test, commonest first; of other tasks None.
    """
    shape = data.shape
    return {
        "data": name,
        "task": shape.task,
        "kind": shape.kind,
        "input_shape": list(shape.input_shape),
        "outputs": shape.classes,
        "vocabulary": shape.vocabulary,
        "alphabet": shape.alphabet,
        "level": data.encoding.text.level if data.encoding.text else None,
        "train": shape.train,
        "test": shape.test,
        "classes": _counts(data) if shape.task in ("classes", "tags") else None,
        "notes": list(data.notes),
        **_origin(name),
    }


def _origin(name: str) -> dict[str, str]:
    known = datasets.EMBEDDED.get(name)
    return {"source": known.source, "baseline": known.baseline} if known else {}


def _counts(data: datasets.Dataset) -> list[dict[str, Any]]:
    train, test = (np.bincount(y[y >= 0], minlength=data.classes) for y in (data.y_train, data.y_test))
    order = np.argsort(-train, kind="stable")
    return [
        {"name": data.encoding.label(int(each)), "train": int(train[each]), "test": int(test[each])} for each in order
    ]


def _text(name: str, data: datasets.Dataset, samples: int, seed: int) -> str:
    told = facts(name, data)
    sizes = "x".join(map(str, told["input_shape"]))
    what = f"{sizes} tokens" if told["kind"] == "tokens" else f"{told['kind']} {sizes}"
    if told["alphabet"]:
        words, numbers = told["input_shape"]
        what = f"{words} tokens, each with up to {numbers - 1} characters"
    lines = [printable(name), f"  task        {told['task']}", f"  sample      {what}"]
    if told["vocabulary"]:
        lines.append(f"  vocabulary  {told['vocabulary']:,} token numbers, of {NAMES[told['level']]}")
    if told["alphabet"]:
        lines.append(f"  alphabet    {told['alphabet']:,} numbers of characters")
    lines.append(f"  samples     {told['train']:,} to train on, {told['test']:,} to test on")
    lines += [f"  {key:<10}  {told[key]}" for key in _origin(name)]
    if told["classes"]:
        lines += ["", f"{told['outputs']:,} {'tags' if told['task'] == 'tags' else 'classes'}, with train and test:"]
        for each in told["classes"][:MOST_CLASSES]:
            lines.append(f"  {printable(str(each['name'])):<{NAME_WIDTH}}  {each['train']:>9,}  {each['test']:>9,}")
        if told["outputs"] > MOST_CLASSES:
            lines.append(f"  and {told['outputs'] - MOST_CLASSES:,} more")
    lines += ["", *map(printable, told["notes"])] if told["notes"] else []
    if samples:
        draw = np.random.default_rng(seed)
        chosen = np.sort(draw.choice(told["train"], min(samples, told["train"]), replace=False))
        lines += ["", drawn(data, [int(each) for each in chosen])]
    return "\n".join(lines)


def _listed(as_json: bool) -> str:
    groups = {"embedded": datasets.EMBEDDED, "downloaded": datasets.KNOWN}
    if as_json:
        rows = [
            {"data": name, "from": group, "task": entry.shape.task, "summary": entry.summary}
            for group, entries in groups.items()
            for name, entry in entries.items()
        ]
        return json.dumps({"data_sets": rows})
    heads = {"embedded": "At hand:", "downloaded": "Downloaded when they are first used:"}
    parts = []
    for group, entries in groups.items():
        rows = (f"  {name:<{NAME_WIDTH}} {entry.shape.task:<12} {entry.summary}" for name, entry in entries.items())
        parts.append("\n".join([heads[group], *rows]))
    return "\n\n".join([*parts, f"Your own, by path: {datasets.formats.FORMATS}."])


def _show(data: str | None, samples: int, seed: int, as_json: bool, **values: Any) -> None:
    if data is None:
        click.echo(_listed(as_json))
        return
    reading = check(Reading, {"data": data, **given(values)}, "reskeras data")
    with reading_shown(data):
        found = datasets.load(data, reading)
    click.echo(json.dumps(facts(data, found)) if as_json else _text(data, found, samples, seed))


show_data = click.Command(
    "data",
    params=[
        click.Argument(["data"], required=False, metavar="[PATH|NAME]"),
        *(option_parameter(option) for option in describe(Reading) if option.name != "data"),
        click.Option(
            ["--samples"], type=click.IntRange(0, 100), default=4, show_default=True, help="Samples that are drawn."
        ),
        click.Option(["--seed"], type=click.IntRange(0), default=0, show_default=True, help="Which samples these are."),
        click.Option(["--json", "as_json"], is_flag=True, help="Print a JSON object, without samples."),
    ],
    callback=_show,
    context_settings=CONTEXT,
    short_help="What a data set holds, and some of its samples.",
    help="""Say what a data set holds: task, shapes, classes with counts, samples.

    PATH is an .npz file, a .csv or .parquet table with a label column, a .tsv file of texts and labels, a .conll or
    .conllu file, a .txt file to learn language from, two files a.en,a.de for translation, or a folder with a folder of
    images or .txt files for each class; all but images and Parquet may be packed as .gz. Files or folders called train
    and test that lie beside one another go together. Without PATH or NAME, list the data sets that have a name.

    \b
    Examples:
      reskeras data
      reskeras data digits
      reskeras data reviews_train.tsv --level characters
      reskeras data corpus.conllu --label xpos
      reskeras data train.en.gz,train.de.gz --vocabulary-size 8000
      reskeras data photographs --image-size 64 --json
    """,
)
