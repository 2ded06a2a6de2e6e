"""Scores of networks trained on real data, one command a row; each row is trained anew by its name.

    python tests/benchmarks/scores.py                      # the rows, and what they want
    python tests/benchmarks/scores.py sst2 tictactoe       # train these, keep what comes, and write the table
    python tests/benchmarks/scores.py --table              # write the table of what is kept

What comes is kept in `scores.json` and shown in `SCORES.md`, both beside this file, with the machine and the date. Data
is taken from the folder `shared/data` beside the checkout, or from `--data-folder`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
KEPT, TABLE = HERE / "scores.json", HERE / "SCORES.md"
SHARED = HERE.parents[2] / "shared" / "data"
SEED = 0


@dataclass(frozen=True)
class Row:
    """One training and what it is to come to.

    Attributes:
        title: what is trained on what.
        command: the words behind `reskeras train`; `{data}` is the folder of data.
        score: the fact of the run's events that counts.
        unit: how the score is written: `"%"` of a share, or what its number counts.
        wanted: the score that is to be reached; None where the rows of a study are compared.
        reaches: whether a score reaches what is wanted.
    """

    title: str
    command: str
    score: str = "test_accuracy"
    unit: str = "%"
    wanted: float | None = None
    reaches: Callable[[float, float], bool] = float.__ge__


def _least(found: float, wanted: float) -> bool:
    return found < wanted


def _study() -> dict[str, Row]:
    """Return the networks of the highway paper's study on MNIST (1505.00387 and 1507.06228, figure 1): 50 units a layer
    against plain layers of 71, which have as many weights; what counts is the loss on training samples."""
    rows, common = {}, "--data {data}/mnist.npz --optimizer sgd --batch-size 128 --schedule cosine --validation-split 0"
    for depth in (10, 20, 50, 100):
        bias = -min(1 + depth // 10, 4)
        for name, words in (("highway", f"highway --gate-bias {bias}"), ("plain", "plain --width 71")):
            rows[f"{name}-{depth}"] = Row(
                f"{name} network, {depth} layers, MNIST",
                f"{words} --depth {depth} --epochs 5 {common}",
                "loss",
                "training loss",
            )
    return rows


ROWS: dict[str, Row] = {
    "mnist": Row(
        "ResNet-20, MNIST",
        "resnet --depth 20 --data {data}/mnist.npz --epochs 2 --batch-size 128 --optimizer sgd --learning-rate 0.1 "
        "--schedule cosine --validation-split 0",
        wanted=0.99,
    ),
    "fashion_mnist": Row(
        "ResNet-20, Fashion-MNIST",
        "resnet --depth 20 --data {data}/fashion_mnist.npz --epochs 12 --batch-size 128 --optimizer sgd "
        "--learning-rate 0.1 --schedule cosine --pad-crop 2 --flip --validation-split 0",
        wanted=0.92,
    ),
    "sst2": Row(
        "LSTM classifier, SST-2 from scratch",
        "lstm_classifier --depth 1 --width 64 --dropout 0.5 --data {data}/sst2_train.tsv --length 40 --epochs 12 "
        "--patience 3 --batch-size 32",
        wanted=0.79,
    ),
    "tags": Row(
        "Bidirectional LSTM with skips on words and their characters, UD English (trained on its dev part)",
        "lstm_tagger --depth 2 --width 64 --dropout 0.5 --data {data}/ud_ewt_dev.conllu --length 64 --epochs 20 "
        "--batch-size 32 --by-length --learning-rate 0.003 --schedule cosine --word-dropout 2 --validation-split 0",
        wanted=0.88,
    ),
    "tictactoe": Row(
        "AlphaGo Zero tower, tic-tac-toe, positions not seen in training",
        "alphago_zero --depth 4 --width 64 --epochs 40 --batch-size 64 --optimizer adamw --learning-rate 0.003 "
        "--schedule cosine --ema 0.99 --validation-split 0",
        wanted=0.99,
    ),
    "tinyshakespeare": Row(
        "GPT on characters, tinyshakespeare",
        "gpt --depth 4 --width 128 --dropout 0.1 --data {data}/tinyshakespeare.txt --test-split 0.1 --length 128 "
        "--epochs 15 --batch-size 32 --optimizer adamw --learning-rate 0.002 --schedule cosine --warmup 100 "
        "--clip-norm 1 --validation-split 0",
        "test_loss",
        "nats a character",
        1.65,
        _least,
    ),
    "multi30k": Row(
        "Transformer encoder-decoder, Multi30k, English to German",
        "translator --depth 3 --width 128 --norm pre --data {data}/multi30k_train.en.gz,{data}/multi30k_train.de.gz "
        "--level bytepair --vocabulary-size 8000 --epochs 12 --batch-size 64 --by-length --learning-rate 0.001 "
        "--label-smoothing 0.1 --schedule cosine --warmup 400 --validation-split 0.02",
        "test_bleu",
        "BLEU",
        20.0,
        float.__gt__,
    ),
    **_study(),
}


def trained(row: Row, data: Path) -> dict[str, Any]:
    """Train a row and return what it came to, where, and when."""
    words = row.command.format(data=data).split()
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "reskeras.cli", "train", *words, "--seed", str(SEED), "--json"]
        began, used = time.monotonic(), os.times()
        done = subprocess.run(command, cwd=home, stdout=subprocess.PIPE, text=True)
        seconds, spent = time.monotonic() - began, os.times()
        if done.returncode:
            raise SystemExit(f"{row.title}: the training ended with code {done.returncode}.")
        summary = json.loads(done.stdout)
        run = Path(home) / "saved_models" / summary["run"]
        events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    facts = {name: fact for event in events for name, fact in event.items()}
    cpu = sum(getattr(spent, kind) - getattr(used, kind) for kind in ("children_user", "children_system"))
    return {
        "score": facts[row.score],
        "seconds": round(seconds),
        "cpu_seconds": round(cpu),
        "parameters": facts["parameters"],
        **({"translated": facts["test_translated"]} if "test_translated" in facts else {}),
        "backend": f"{facts['backend']} {version(facts['backend'])}",
        "machine": _machine(),
        "load": round(os.getloadavg()[2], 1),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "command": row.command,
    }


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(os.sched_getaffinity(0))} cores, {names[0] if names else platform.processor()}"


def kept() -> dict[str, dict[str, Any]]:
    """Return what came of each row when it was trained last."""
    return json.loads(KEPT.read_text()) if KEPT.exists() else {}


def keep(name: str, found: dict[str, Any]) -> None:
    """Keep what came of a row, and write the table."""
    KEPT.write_text(json.dumps({**kept(), name: found}, indent=2, sort_keys=True) + "\n")
    write_table()


def shown(score: float, unit: str) -> str:
    """Return a score as it is written in the table."""
    return f"{100 * score:.2f} %" if unit == "%" else f"{score:.4g} {unit}"


def write_table() -> None:
    """Write `SCORES.md`."""
    known, lines = kept(), []
    for name, row in ROWS.items():
        found = known.get(name)
        wanted = "" if row.wanted is None else shown(row.wanted, row.unit)
        if found is None:
            lines.append(f"| `{name}` | {row.title} | {wanted} | not measured | | | | |")
            continue
        reached = row.wanted is None or row.reaches(float(found["score"]), row.wanted)
        changed = "" if found["command"] == row.command else ", with another command than below"
        changed += f", of the first {found['translated']:,} test sentences" if "translated" in found else ""
        lines.append(
            f"| `{name}` | {row.title} | {wanted} | {shown(found['score'], row.unit)}"
            f"{'' if reached else ', not reached'}{changed} | {found['seconds']:,} s ({found['cpu_seconds']:,} s of "
            f"processor) | {found['parameters']:,} | {found['backend']} | {found['machine']}, load {found['load']}, "
            f"{found['date']} |"
        )
    commands = "\n".join(
        f"# {name}\nreskeras train {row.command.format(data='../shared/data')} --seed {SEED}"
        for name, row in ROWS.items()
    )
    TABLE.write_text(
        "# Scores\n\nWritten by `python tests/benchmarks/scores.py ROW`, which trains a row anew on the data in "
        f"`../shared/data`. All have the seed {SEED}. Times are of a whole command, import and test included, with "
        "other work on the same cores: the load is the mean of the 15 minutes before its end. BLEU is of sentences "
        "decoded greedily.\n\n"
        "| row | what | wanted | score | time | parameters | backend | where and when |\n"
        f"{'|---' * 8}|\n" + "\n".join(lines) + f"\n\n```bash\n{commands}\n```\n"
    )


def main() -> None:
    """Train the rows that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", choices=[[], *ROWS], metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--data-folder", type=Path, default=SHARED, help=f"where the data is [default: {SHARED}]")
    parser.add_argument("--table", action="store_true", help="write the table of what is kept")
    chosen = parser.parse_args()
    if not chosen.rows and not chosen.table:
        for name, row in ROWS.items():
            wanted = "" if row.wanted is None else f"  wants {shown(row.wanted, row.unit)}"
            print(f"{name:16} {row.title}{wanted}")
    for name in chosen.rows:
        keep(name, trained(ROWS[name], chosen.data_folder.resolve()))
        print(f"{name}: {shown(kept()[name]['score'], ROWS[name].unit)}", flush=True)
    if chosen.table:
        write_table()


if __name__ == "__main__":
    main()
