"""A run, or several side by side, as one HTML file that needs nothing else."""

from __future__ import annotations

import time
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from reskeras import verdicts
from reskeras.files import draft_of
from reskeras.printable import printable
from reskeras.report.charts import LETTERS, charts
from reskeras.runs import Run, RunSettings, results
from reskeras.runs.events import SCORES

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #22303c; background: #fff; }
body { max-width: 60em; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em; }
h2 { font-size: 1.15em; margin-top: 2em; border-bottom: 1px solid #d5dde5; }
table { border-collapse: collapse; font-size: 0.9em; }
th, td { text-align: left; padding: 0.15em 1em 0.15em 0; vertical-align: top; }
th { color: #5a6876; font-weight: 500; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
tr.differs { background: #fff6dd; }
svg { max-width: 100%; height: auto; }
.scroll { overflow-x: auto; }
p.verdict { margin: 0.3em 0; }
p.note { white-space: pre-wrap; }
footer { color: #5a6876; font-size: 0.85em; margin-top: 3em; }
"""

FACTS = {
    "state": "state",
    "backend": "backend",
    "parameters": "parameters",
    "step": "steps done",
    "steps": "steps asked for",
    "loss": "loss",
    "validation_accuracy": "validation accuracy",
    "test_accuracy": "test accuracy",
    "seconds": "seconds",
}
"""The facts of a summary that a report tells, with what they are called."""


def html(runs: Sequence[Run]) -> str:
    """Return a report: verdicts, results, charts, settings and epochs of one run, or of up to eight side by side.

    Raises:
        RunError: where something is damaged, or there are no runs or more than eight.
    """
    drawn = charts(runs)
    summaries = [run.summary() for run in runs]
    title = " and ".join(each["run"] for each in summaries)
    heads = [each["run"] for each in summaries]
    if len(runs) > 1:
        heads = [f"{letter} {head}" for letter, head in zip(LETTERS, heads, strict=False)]
    parts = [f"<h1>{escape(title)}</h1>", *_notes(summaries), "<h2>Verdict</h2>"]
    for head, run in zip(heads, runs, strict=True):
        parts += _verdicts(head if len(runs) > 1 else "", run)
    rows = [(name, [_fact(key, each.get(key)) for each in summaries]) for key, name in FACTS.items()]
    parts += ["<h2>Results</h2>", _table(heads, [*rows, *_scores(runs)])]
    parts += ["<h2>Charts</h2>", *(f'<div class="chart">{each}</div>' for each in drawn.values())]
    parts += ["<h2>Settings</h2>", _table(heads, _settings(runs))]
    for head, run in zip(heads, runs, strict=True):
        parts += _epochs(head if len(runs) > 1 else "", run)
    made = time.strftime("%Y-%m-%d %H:%M")
    places = printable(", ".join(str(run.folder) for run in runs))
    parts.append(f"<footer>Made {made} by reskeras report from {escape(places)}</footer>")
    style, body = STYLE.strip(), "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def write_html(runs: Sequence[Run], path: str | Path) -> Path:
    """Write a report into a file, in the place of any before it, and return its path.

    Raises:
        RunError: where something is damaged, or there are no runs or more than eight.
        OSError: where the file cannot be written.
    """
    path, text = Path(path), html(runs)
    path.parent.mkdir(parents=True, exist_ok=True)
    with draft_of(path) as draft:
        draft.write_text(text, "utf-8")
    return path


def _notes(summaries: Sequence[dict[str, Any]]) -> list[str]:
    found = []
    for each in summaries:
        said = "\n".join(filter(None, [" ".join(f"#{tag}" for tag in each["tags"]), each["note"]]))
        if said:
            found.append(f'<p class="note">{escape(said)}</p>')
    return found


def _verdicts(head: str, run: Run) -> list[str]:
    found = [f"{each.symbol} {each.kind}: {each.text}" for each in verdicts.of(run)]
    before = f"<strong>{escape(head)}</strong> " if head else ""
    said = found or ["Nothing can be said yet: too little was measured."]
    return [f'<p class="verdict">{before}{escape(each)}</p>' for each in said]


def _fact(key: str, value: Any) -> str:
    if value is None:
        return "–"
    if key.endswith("accuracy"):
        return f"{100 * value:.2f} %"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _table(heads: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    head = "".join(f"<th>{escape(each)}</th>" for each in heads)
    lines = [f"<tr><th></th>{head}</tr>"]
    for name, values in rows:
        differs = ' class="differs"' if len(set(values)) > 1 else ""
        cells = "".join(f"<td>{escape(each)}</td>" for each in values)
        lines.append(f"<tr{differs}><th>{escape(name)}</th>{cells}</tr>")
    return f'<div class="scroll"><table>{"".join(lines)}</table></div>'


def _settings(runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    chosen = []
    for run in runs:
        known = run.settings
        if isinstance(known, RunSettings):
            chosen.append({"architecture": known.architecture, **known.options, **known.training.model_dump()})
        else:
            chosen.append(known.model_dump(exclude={"format"}))
    names = dict.fromkeys(name for each in chosen for name in each)
    return [(name.replace("_", " "), [_fact(name, each.get(name)) for each in chosen]) for name in names]


def _scores(runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    """Return what the tasks of the runs have measured on the test besides loss and accuracy."""
    found = [results.facts(run.events()) for run in runs]
    return [
        (called, [_fact(name, each.get(name)) for each in found])
        for name, called in SCORES.items()
        if any(each.get(name) is not None for each in found)
    ]


def _epochs(head: str, run: Run) -> list[str]:
    epochs = results.epochs(run.events())
    names = list(dict.fromkeys(name for each in epochs for name in results.metrics(each)))
    if not names:
        return []
    heads = "".join(f"<th>{escape(each.replace('_', ' '))}</th>" for each in ("epoch", "step", *names))
    lines = [f"<tr>{heads}</tr>"]
    for each in epochs:
        found = results.metrics(each)
        values = [f"{each['epoch']:,}", f"{each['step']:,}", *(_fact("", found.get(name)) for name in names)]
        lines.append("<tr>" + "".join(f'<td class="number">{escape(value)}</td>' for value in values) + "</tr>")
    title = f"Epochs: {head}" if head else "Epochs"
    return [f"<h2>{escape(title)}</h2>", f'<div class="scroll"><table>{"".join(lines)}</table></div>']
