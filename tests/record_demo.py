"""Records the runs that `reskeras-tui demo` plays: `python tests/record_demo.py` trains them and packs them anew.

ResNet-56 and the same network without its skips, on handwritten digits, from the same seed. What is packed is thinner
than what is recorded: later steps are joined to windows, numbers keep few digits, and neither networks nor checkpoints
are in, nor what is of the recording machine alone.
"""

from __future__ import annotations

import io
import json
import lzma
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from reskeras.runs import Run, find
from reskeras.runs.folder import TABLES
from reskeras.runs.tables import Table, TableWriter

PACKED = Path(__file__).parents[1] / "tui" / "recorded" / "demo.tar.xz"
RUNS = {"plain-56": "none", "resnet-56": "add"}
"""The name of each run, and its skip."""

WINDOWS = 24
"""So many windows of one step, then as many of two, of four, and so on."""

DIGITS = 6
"""Bits of a number behind its leading one: an error below 1 %."""

KEPT = ("settings.json", "curve.rows")
LEFT_OUT = ("memory", "exported", "checkpoint")
"""Events of the recording machine, and of files that are not packed."""


def train(folder: Path) -> None:
    """Train the runs."""
    for name, skip in RUNS.items():
        words = ["train", "resnet", "--depth", "56", "--skip", skip, "--epochs", "5", "--backend", "tensorflow"]
        words += ["--telemetry", "probes", "--name", name, "--runs", str(folder)]
        subprocess.run([sys.executable, "-m", "reskeras.cli", *words], check=True)


def thin(run: Run, target: Path) -> None:
    """Write a thinner copy of a run."""
    target.mkdir()
    for name in KEPT:
        (target / name).write_bytes((run.folder / name).read_bytes())
    events = [each for each in run.events() if each["event"] not in LEFT_OUT]
    lines = [json.dumps({name: fact for name, fact in each.items() if name != "pid"}) for each in events]
    (target / "events.jsonl").write_text("".join(f"{line}\n" for line in lines))
    for name in TABLES:
        table = run.table(name)
        if table is None:
            continue
        rows = table._read(0, table.count)
        if not np.array_equal(rows["first"], rows["last"]):
            raise SystemExit(f"{run.folder} joins steps to windows already: record a shorter run.")
        writer = TableWriter(target / name, replace(table.header, window_rows=WINDOWS))
        writer.add(rows["last"], rows["values"][:, 0])
        writer.close()
        _shorten(target / f"{name}.rows", Table(target / name).header.row)


def _shorten(path: Path, row: np.dtype) -> None:
    """Leave few digits of each number of a table."""
    rows = np.fromfile(path, row)
    bits = rows["values"].copy().view(np.uint32)
    dropped = 23 - DIGITS
    finite = np.isfinite(rows["values"])
    rounded = (bits + np.uint32(1 << (dropped - 1))) & np.uint32((0xFFFFFFFF << dropped) & 0xFFFFFFFF)
    rows["values"] = np.where(finite, rounded, bits).view(np.float32)
    path.write_bytes(rows.tobytes())


def pack(folder: Path) -> bytes:
    """Return the runs of a folder as an archive, the same each time."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(folder.rglob("*")):
            facts = archive.gettarinfo(path, path.relative_to(folder).as_posix())
            facts.uid = facts.gid = facts.mtime = 0
            facts.uname = facts.gname = ""
            facts.mode = 0o755 if path.is_dir() else 0o644
            archive.addfile(facts, path.open("rb") if path.is_file() else None)
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 0, "lp": 2, "pb": 2}]
    return lzma.compress(plain.getvalue(), filters=filters)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as kept:
        recorded, thinned = Path(kept) / "recorded", Path(kept) / "thinned"
        thinned.mkdir()
        if len(sys.argv) > 1:
            recorded = Path(sys.argv[1])
        else:
            train(recorded)
        for name in RUNS:
            thin(find(name, recorded), thinned / name)
        PACKED.parent.mkdir(exist_ok=True)
        PACKED.write_bytes(pack(thinned))
    print(f"{PACKED}: {PACKED.stat().st_size:,} bytes")
