"""A ring of measurements inside the optimizer: every step leaves a row, whatever compiler runs the step."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import keras
import numpy as np

from reskeras import backend
from reskeras.layers.probes import seen_by_all
from reskeras.layers.slices import rows_of, slices_of
from reskeras.runs.statistics import reaches
from reskeras.telemetry.layout import MEASURED

MOST_ROWS, LEAST_ROWS, RING_BYTES = 1024, 64, 2**20
"""How many steps a ring remembers, and must be read in at least: as many as take `RING_BYTES`, within the bounds."""

HEAD = ("step", "learning_rate", "loss_scale", "micro_square")
"""What a row begins with; the last is the mean over micro-steps of the squared norm of their gradients."""

_WRAP = 2**24
"""A float32 counts exactly to here: the ring keeps steps modulo this, and the reader restores them."""

# Keras's own and private, but alike since Keras 3.0: looked for at import, so that a change is an error with a name.
for _hook in (
    "_clip_gradients",
    "_backend_apply_gradients",
    "_backend_update_step",
    "_overwrite_variables_directly_with_gradients",
    "_untrack_variable",
    "_var_key",
):
    if not hasattr(keras.optimizers.Optimizer, _hook):
        raise ImportError(f"Keras {keras.__version__} has no Optimizer.{_hook}, which reskeras.telemetry builds on.")


@dataclass
class _Recording:
    """What a recording optimizer knows; an object of its own, since Keras would track variables in plain attributes.

    Attributes:
        level: what is measured, one of `LEVELS`.
        least_rows: how many steps the ring remembers at least.
        micro_steps: how many gradients an update is the mean of.
        parts: how many gradients of parts of the batch are known of each update, accumulated or of replicas.
        ring: the ring.
        updates: how many updates the optimizer has made.
        squares: where gradients are accumulated, the sum of the squared norms of those so far.
        hidden: whether the ring is none of the optimizer's variables for now.
        weights, stacked, place: what is measured, whether each is many in one, and the place of each by its key.
        probes: the probes' variables, and the place of each by its key.
        now: of the step that is being traced or run.
    """

    level: str
    least_rows: int = LEAST_ROWS
    micro_steps: int = 1
    parts: int = 1
    ring: keras.Variable | None = None
    updates: keras.Variable | None = None
    squares: keras.Variable | None = None
    hidden: bool = False
    weights: list[keras.Variable] = field(default_factory=list)
    stacked: list[bool] = field(default_factory=list)
    place: dict = field(default_factory=dict)
    probes: list[keras.Variable] = field(default_factory=list)
    probe_place: dict = field(default_factory=dict)
    now: _Step = field(default_factory=lambda: backend.apart_in_replicas(_Step))


class _Step:
    """What is known of the step that is being traced or run.

    Attributes:
        scale: the factor of the loss, None where it is constant.
        variables, present: the weights that got a gradient, and their places among all.
        clipped: their gradients after clipping, None where nothing is clipped.
        weights: measures them.
        micro_square: the mean of the squared norms of accumulated gradients.
        probed: the place of a probe -> what it saw.
    """

    def __init__(self):
        self.scale = self.clipped = self.micro_square = None
        self.variables, self.present = [], []
        self.probed = {}
        self.weights = backend.WeightStatistics()


class _GradientRing:
    """Mixed into the class of an optimizer: measures each step's gradients and what the step makes of the weights.

    What arrives at `_clip_gradients` is unscaled and, with accumulation, already the mean over the micro-steps.
    """

    def _make_ring(self, variables) -> None:
        recording = self._recording
        probes = [v for v in variables if self._overwrite_variable_with_gradient(v)]
        recording.weights = [v for v in variables if not self._overwrite_variable_with_gradient(v)]
        recording.probes = [v for v in probes if hasattr(v, "probe")]
        recording.stacked = [slices_of(each) is not None for each in recording.weights]
        recording.place = {self._var_key(each): place for place, each in enumerate(recording.weights)}
        recording.probe_place = {self._var_key(each): place for place, each in enumerate(recording.probes)}
        width = len(HEAD) + len(MEASURED) * sum(map(rows_of, recording.weights))
        width += sum(int(np.prod(each.shape)) for each in recording.probes)
        recording.updates = self._iterations
        rows = max(min(RING_BYTES // (4 * width), MOST_ROWS), LEAST_ROWS, recording.least_rows)
        if self.gradient_accumulation_steps:
            recording.squares = self.add_variable((), dtype="float32", name="micro_squares")
        recording.ring = self.add_variable(
            shape=(rows, width),
            initializer=keras.initializers.Constant(-1.0),
            dtype="float32",
            aggregation="only_first_replica",
            name="ring",
        )

    def build(self, variables):
        super().build(variables)
        self._make_ring(variables)

    def _overwrite_variables_directly_with_gradients(self, grads, vars):
        recording = self._recording
        recording.now.probed = {}
        if recording.probes and reaches(recording.level, "probes"):
            for gradient, variable in zip(grads, vars, strict=True):
                place = recording.probe_place.get(self._var_key(variable))
                if place is not None:
                    if self.gradient_accumulation_steps:
                        # As Keras keeps such a gradient over the micro-steps: the largest.
                        known = self._accumulated_gradients[self._get_variable_index(variable)]
                        gradient = keras.ops.maximum(gradient, known)
                    recording.now.probed[place] = seen_by_all(gradient)
        return super()._overwrite_variables_directly_with_gradients(grads, vars)

    def _backend_apply_gradients(self, grads, trainable_variables):
        recording = self._recording
        recording.now.variables = list(trainable_variables)
        recording.now.present = [recording.place[self._var_key(variable)] for variable in trainable_variables]
        steps = self.gradient_accumulation_steps
        if not steps or recording.level == "off":
            super()._backend_apply_gradients(grads, trainable_variables)
            return
        ops = keras.ops
        squares = ops.sum(ops.square(backend.norms(grads, [False] * len(grads)))) + recording.squares
        recording.now.micro_square = squares / steps
        last = ops.equal(ops.mod(ops.convert_to_tensor(self._iterations) + 1, steps), 0)
        super()._backend_apply_gradients(grads, trainable_variables)
        # Now, for on JAX every variable of the optimizer is put back between two updates.
        recording.squares.assign(ops.where(last, 0.0, squares))

    def _clip_gradients(self, grads):
        recording = self._recording
        if recording.level != "off":
            gradients = backend.over_replicas(grads)
            recording.parts = recording.micro_steps if recording.micro_steps > 1 else backend.replicas()
            if recording.parts > recording.micro_steps == 1:
                # Each replica's loss is its share of the whole batch's.
                squares = keras.ops.sum(keras.ops.square(backend.norms(grads, [False] * len(grads))))
                recording.now.micro_square = backend.over_replicas([squares])[0] * recording.parts
            stacked = [recording.stacked[place] for place in recording.now.present]
            recording.now.weights.begin(
                recording.now.variables, stacked, gradients, zeros=reaches(recording.level, "deep")
            )
            grads = recording.now.weights.behind(grads)
        return super()._clip_gradients(grads)

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        clips = any((self.clipnorm, self.global_clipnorm, self.clipvalue))
        if self._recording.level != "off":
            self._recording.now.clipped = backend.over_replicas(grads) if clips else None
        super()._backend_update_step(grads, trainable_variables, learning_rate)
        if self._recording.level != "off":
            self._write_row(learning_rate)

    def assign_add(self, variable, value):
        with self._recording.now.weights.adding(variable, value):
            super().assign_add(variable, value)

    def assign_sub(self, variable, value):
        with self._recording.now.weights.adding(variable, value):
            super().assign_sub(variable, value)

    def _write_row(self, learning_rate) -> None:
        ops, recording = keras.ops, self._recording
        after = backend.values_now(recording.now.variables)
        measured = recording.now.weights.end(recording.now.clipped, after)
        recording.now.clipped = None
        step = backend.count_in(self._iterations) // (self.gradient_accumulation_steps or 1)
        scale = recording.now.scale if recording.now.scale is not None else self.loss_scale_factor or 1.0
        micro_square = recording.now.micro_square if recording.parts > 1 else 0
        head = backend.vector([(step + 1) % _WRAP, learning_rate, scale, micro_square])
        row = [head, ops.reshape(self._in_place(measured), (-1,)), *self._probed()]
        backend.write_row(recording.ring, step % recording.ring.shape[0], row)

    def _in_place(self, measured):
        """Return measurements of the weights that got a gradient as those of all; of the others they are NaN, and a
        gradient's norm is 0."""
        ops, recording = keras.ops, self._recording
        if recording.now.present == list(range(len(recording.weights))):
            return measured
        widths = [rows_of(recording.weights[place]) for place in recording.now.present]
        parts = ops.split(measured, np.cumsum(widths)[:-1].tolist(), axis=1)
        parts = dict(zip(recording.now.present, parts, strict=True))
        zero = ("gradient_norm", "update_norm", "nan_count", "inf_count")
        nothing = np.array([[0.0 if each in zero else np.nan] for each in MEASURED], "float32")
        found = [
            parts[place] if place in parts else ops.convert_to_tensor(np.repeat(nothing, rows_of(weight), axis=1))
            for place, weight in enumerate(recording.weights)
        ]
        return ops.concatenate(found, axis=1)

    def _probed(self):
        """Yield the numbers of each probe's variable, one after another; NaN where the probes looked at nothing."""
        ops, recording = keras.ops, self._recording
        for place, variable in enumerate(recording.probes):
            size = int(np.prod(variable.shape))
            found = recording.now.probed.get(place)
            yield ops.full((size,), float("nan"), "float32") if found is None else ops.reshape(found, (size,))

    @property
    def variables(self):
        known, recording = super().variables, self._recording
        if not recording.hidden:
            return known
        return [each for each in known if each is not recording.ring and each is not recording.squares]

    # What is saved while a training is watched must be what Keras itself would save: it counts the variables.
    def save_own_variables(self, store):
        with self._ring_hidden():
            super().save_own_variables(store)

    def load_own_variables(self, store):
        with self._ring_hidden():
            super().load_own_variables(store)

    @contextmanager
    def _ring_hidden(self):
        self._recording.hidden = True
        try:
            yield
        finally:
            self._recording.hidden = False


class _ScaleTeller:
    """Mixed into the class of an optimizer that scales the loss: tells those inside of it by how much."""

    def stateless_apply(self, optimizer_variables, grads, trainable_variables):
        place = next(place for place, each in enumerate(self.variables) if each is self.dynamic_scale)
        self._tell(optimizer_variables[place])
        return super().stateless_apply(optimizer_variables, grads, trainable_variables)

    def _stateful_handle_finite_grads(self, grads, trainable_variables):
        self._tell(self.dynamic_scale)
        super()._stateful_handle_finite_grads(grads, trainable_variables)

    def _tell(self, scale) -> None:
        for each in leaves(self):
            each._recording.now.scale = scale


def leaves(optimizer: keras.optimizers.Optimizer) -> list[keras.optimizers.Optimizer]:
    """Return the optimizers that change weights: those inside of one that scales the loss or chooses among several."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return leaves(optimizer.inner_optimizer)
    if isinstance(optimizer, keras.optimizers.MultiOptimizer):
        return list(optimizer.optimizers)
    return [optimizer]


def is_attached(optimizer: keras.optimizers.Optimizer) -> bool:
    """Return whether an optimizer records."""
    return all(isinstance(each, _GradientRing) for each in leaves(optimizer))


def attach(optimizer: keras.optimizers.Optimizer, level: str = "norms", least_rows: int = LEAST_ROWS) -> None:
    """Make an optimizer record, built or not; one that records already is left as it is.

    The optimizer keeps its name and everything it computes.

    Args:
        optimizer: also one that scales the loss, or chooses among several.
        level: one of `LEVELS`.
        least_rows: how many steps must be remembered at least.
    """
    if is_scaling(optimizer) and not isinstance(optimizer, _ScaleTeller):
        _extend(optimizer, _ScaleTeller)
    for each in leaves(optimizer):
        if isinstance(each, _GradientRing):
            continue
        _extend(each, _GradientRing)
        object.__setattr__(each, "_recording", _Recording(level, least_rows, each.gradient_accumulation_steps or 1))
        if each.built:
            with _unlocked(each):
                each._make_ring(each._trainable_variables)


def set_level(optimizer: keras.optimizers.Optimizer, level: str) -> bool:
    """Choose what is measured, from the next time that the training step is traced; return whether that is new."""
    found = [each._recording for each in leaves(optimizer)]
    known = {each.level for each in found}
    for each in found:
        each.level = level
    return known != {level}


def detach(optimizer: keras.optimizers.Optimizer) -> None:
    """Undo `attach`: the optimizer is of its own type again and holds no ring."""
    for each in leaves(optimizer):
        if not isinstance(each, _GradientRing):
            continue
        if each._recording.ring is not None:
            each._untrack_variable(each._recording.ring)
        if each._recording.squares is not None:
            each._untrack_variable(each._recording.squares)
        object.__delattr__(each, "_recording")
        each.__class__ = type(each).__mro__[2]
    if isinstance(optimizer, _ScaleTeller):
        optimizer.__class__ = type(optimizer).__mro__[2]


def is_scaling(optimizer: keras.optimizers.Optimizer) -> bool:
    """Return whether an optimizer scales the loss by a factor that changes, and skips steps."""
    return isinstance(optimizer, keras.optimizers.LossScaleOptimizer)


def _extend(optimizer, by: type) -> None:
    # The instance's own type is extended: on PyTorch it is not the class that the user named but a faster one.
    base = type(optimizer)
    optimizer.__class__ = type(base.__name__, (by, base), {"__module__": base.__module__})


def variables_without_rings(optimizer: keras.optimizers.Optimizer) -> list[keras.Variable]:
    """Return the variables of an optimizer, those that record left out: they are the same with and without."""
    found = [each._recording for each in leaves(optimizer) if isinstance(each, _GradientRing)]
    recorded = {id(variable) for each in found for variable in (each.ring, each.squares)}
    return [variable for variable in optimizer.variables if id(variable) not in recorded]


def squares(optimizer: keras.optimizers.Optimizer) -> list[keras.Variable]:
    """Return what a recording optimizer that accumulates gradients has summed up of their squared norms."""
    found = [each._recording.squares for each in leaves(optimizer) if isinstance(each, _GradientRing)]
    return [each for each in found if each is not None]


@contextmanager
def _unlocked(optimizer):
    """Let an optimizer that is built take further variables."""
    tracker = optimizer._tracker
    was = tracker.locked
    tracker.unlock()
    try:
        yield
    finally:
        if was:
            tracker.lock()


def recordings(optimizer: keras.optimizers.Optimizer) -> list[_Recording]:
    """Return what each of the built, recording optimizers inside knows; those that have no variables are left out."""
    found = [each._recording for each in leaves(optimizer) if each.built]
    return [each for each in found if each.weights]


def new_rows(ring: np.ndarray, last: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of a copied ring that are newer than step `last`, oldest first.

    Args:
        ring: (rows, columns) as copied from the device, the step modulo 2^24 first.
        last: the newest step that is known already; 0 for none.

    Returns:
        The steps (T,) counted from 1, and the rest of their rows (T, columns - 1).
    """
    written = ring[:, 0] >= 0
    ahead = np.mod(ring[:, 0].astype(np.int64) - last, _WRAP)
    # Between them there may be any number of steps that were not measured; what is older is nearly a whole turn ahead.
    fresh = np.flatnonzero(written & (ahead > 0) & (ahead <= _WRAP // 2))
    fresh = fresh[np.argsort(ahead[fresh])]
    return last + ahead[fresh], ring[fresh, 1:]


def parts(recording: _Recording, rows: Sequence) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Split rows of a ring, as `new_rows` gives them, into the head without the step, what was measured of the weights
    (T, `MEASURED`, weights), and of the probes (T, numbers)."""
    rows = np.asarray(rows)
    head, rest = rows[:, : len(HEAD) - 1], rows[:, len(HEAD) - 1 :]
    weights = sum(map(rows_of, recording.weights))
    split = len(MEASURED) * weights
    return head, rest[:, :split].reshape(len(rows), len(MEASURED), weights), rest[:, split:]
