"""What a training takes of the memory there is, as it goes on, and what is said and done where there is not enough."""

from __future__ import annotations

import errno
import traceback

from reskeras import machine, memory
from reskeras.memory import Memory
from reskeras.printable import size
from reskeras.runs import results, resuming
from reskeras.runs.errors import RunError
from reskeras.runs.events import EventWriter
from reskeras.runs.folder import Run
from reskeras.runs.shortage import is_told, remedy

GROWTH = 1.1
"""What a process takes is told again once it is so many times what was told before."""


def is_one(error: BaseException | None) -> bool:
    """Return whether an error, or one that it comes from, is that memory ran out."""
    while error is not None:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
            return True
        # What a user can mend otherwise says so in an error of its own kind.
        if not isinstance(error, OSError | RunError) and is_told(f"{type(error).__name__}: {error}"):
            return True
        error = error.__cause__ or error.__context__
    return False


class Account:
    """Tells in a run's events what its training takes of the memory there is, and what it is expected to take.

    Args:
        run: the run.
        events: its event log.
    """

    def __init__(self, run: Run, events: EventWriter):
        self._run, self._events = run, events
        self._need: Memory | None = None
        self._room: int | None = None
        self._told, self._advice = 0, ""
        self._on_host = True

    def begin(self) -> None:
        """Tell what is expected, before anything is imported: whoever is killed tells nothing any more."""
        self._need = memory.of(self._run.settings, memory.plan_of(self._run.settings))
        self._room = machine.room()
        self._log = self._run.log_path.stat().st_size if self._run.log_path.exists() else 0
        self._killings = machine.killings()
        self._tell()

    def compute_on(self, kind: str, capacity: int | None) -> None:
        """Count on the memory of the device that computes.

        Args:
            kind: of device: `"cpu"`, or one with a memory of its own.
            capacity: its bytes, None where nobody knows.
        """
        if kind == "cpu":
            self._need = self._need.of_process(machine.resident() or self._need.process)
        else:
            self._on_host, self._room = False, capacity
            self._need = self._need.of_process(0)
            self._tell()

    def choose_batch(self) -> None:
        """Take a smaller batch where the one asked for is expected not to fit, and the run allows it."""
        need, room = self._need, self._room
        if not may_begin_anew(self._run) or room is None or need.total <= room:
            return
        if batch := need.smaller(room):
            told = _told(need, room)
            begin_anew(self._run, self._events, batch, f"{told[0].upper()}{told[1:]}.")
            self._need = need.of_batch(batch)
            self._tell()

    def built(self, parameters: int) -> None:
        """Count on what the process takes with its data and a network of so many numbers that is not trained yet."""
        if self._on_host and (taken := machine.resident()):
            self._need = self._need.of_process(taken - 4 * parameters)
            self.look()

    def look(self) -> None:
        """Tell what the process took at the most, where that is much more than was told."""
        if self._on_host and (machine.peak() or 0) > GROWTH * self._told:
            self._tell()

    def _tell(self) -> None:
        self._told = (machine.peak() or 0) if self._on_host else 0
        self._events.write("memory", **self._facts())

    def _facts(self) -> dict:
        need, room = self._need, self._room
        fits = need.smaller(room)
        facts = {
            "batch_size": need.batch_size,
            "expected": need.total,
            "room": room,
            "resident": self._told,
            "fits": fits,
            "log": self._log,
        }
        if self._killings is not None:
            facts |= {"boot": self._killings.boot, "killings": self._killings.count}
        if not fits:
            self._advice = self._advice or memory.advice(self._run.settings, room)
            facts["advice"] = self._advice
        return {name: fact for name, fact in facts.items() if fact is not None}

    def ran_out(self, error: BaseException) -> str:
        """Tell that memory ran out, let go of what the training held, and return what happened and what to do."""
        first = (str(error).strip().splitlines() or [""])[0][:LONGEST]
        traceback.clear_frames(error.__traceback__)
        if self._need is None:
            return "Out of memory before the training began."
        self._told = (machine.peak() or 0) if self._on_host else 0
        facts = self._facts()
        self._events.write("shortage", **facts, text=first)
        return f"Out of memory: {_told(self._need, self._room)}. {remedy(facts)}"


LONGEST = 300
"""Signs of a library's message that are kept."""


def _told(need: Memory, room: int | None) -> str:
    there = f", of the {size(room)} that there are for it" if room is not None else ""
    return f"a batch of {need.batch_size:,} was expected to take {size(need.total)}{there}"


def may_begin_anew(run: Run) -> bool:
    """Return whether a run that runs out of memory is to begin anew with a smaller batch: in its first epoch alone."""
    training = run.settings.training
    return training.auto_batch and memory.batch_of(run.settings) > 1 and not results.epochs(run.events())


def begin_anew(run: Run, events: EventWriter, batch_size: int, why: str) -> None:
    """Have a run be trained from its beginning with another batch size, and tell it.

    Args:
        run: the run, whose lock is held.
        events: its event log.
        batch_size: samples in a step.
        why: a sentence.

    Raises:
        OSError: where the settings cannot be written.
    """
    training = run.settings.training
    resuming.change_batch(run, batch_size)
    text = (
        f"{why} The training begins with a batch of {batch_size:,} instead; the learning rate stays at "
        f"{training.rate():g}."
    )
    events.write("batch", batch_size=batch_size, before=training.batch_size, text=text)
