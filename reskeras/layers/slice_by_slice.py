"""Optimizers treat each slice of a `Stack`'s weight as they treat the weight of a block of its own."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import wraps

import keras
from keras.src.backend import get_stateless_scope
from keras.src.optimizers.base_optimizer import BaseOptimizer  # What all optimizers share, on every backend.

from reskeras import backend
from reskeras.layers.slices import slices_of

ELEMENTWISE = {
    getattr(keras.optimizers, name).update_step
    for name in (
        *("Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "Ftrl"),
        *("Lion", "Nadam", "RMSprop", "SGD", "ScheduleFreeAdamW"),
    )
}
"""The steps in which nothing depends on a weight's shape or on its other numbers: all slices may be one weight."""

ASSIGNMENTS = ("assign", "assign_add", "assign_sub")


def act_slice_by_slice() -> None:
    """Make optimizers that are built from now on act slice by slice on stacked weights, and on others as ever."""
    if hasattr(BaseOptimizer.build, "acts_slice_by_slice"):
        return

    @classmethod
    def wrap_new(cls, **options):
        super(BaseOptimizer, cls).__init_subclass__(**options)
        _wrap_build(cls)

    BaseOptimizer.__init_subclass__ = wrap_new
    _wrap_build(BaseOptimizer)


def _wrap_build(cls) -> None:
    """Let `build` of a class of optimizers, and of those that exist below it, look for stacked weights first.

    An optimizer's own `build` goes on after the one that it inherits, so each must be wrapped.
    """
    original = cls.build
    if not hasattr(original, "acts_slice_by_slice"):

        @wraps(original)
        def build(self, *given, **named):
            (variables,) = (*given, *named.values())
            # Optimizers without a step of their own hand the weights on to others.
            steps = type(self).update_step is not BaseOptimizer.update_step
            if steps and not self.built and "_slice_by_slice" not in vars(self) and any(map(slices_of, variables)):
                _SliceBySlice(self, variables).build(original)
            else:
                original(self, variables)

        build.acts_slice_by_slice = True
        cls.build = build
    for each in cls.__subclasses__():
        _wrap_build(each)


class _SliceBySlice:
    """What an optimizer does in another way where some of its weights are stacked.

    Its methods are the optimizer's own attributes and call those of its class: the class stays as it is, and may be
    extended before and after.

    Args:
        optimizer: the optimizer, not built.
        variables: the weights that it is built for.
    """

    def __init__(self, optimizer, variables):
        self._optimizer = optimizer
        self._variables = _Watched(variables)
        self._stacked = {optimizer._var_key(each): each for each in variables if slices_of(each)}
        self._keys = {id(variable): key for key, variable in self._stacked.items()}
        self._states = {key: [] for key in self._stacked}
        self._present = []

    def build(self, original) -> None:
        """Build the optimizer by its class's own method."""
        optimizer, cls = self._optimizer, type(self._optimizer)
        methods = {
            "_slice_by_slice": self,
            "_backend_apply_gradients": self._apply_gradients,
            "_clip_gradients": self._clip,
        }
        same_decay = cls._apply_weight_decay is keras.optimizers.Optimizer._apply_weight_decay
        if cls.update_step in ELEMENTWISE and same_decay:
            with _shadowed(optimizer, _slice_by_slice=self):
                original(optimizer, list(self._variables))
        else:
            self._check_names()
            makers = {"add_variable": self._add, "add_variable_from_reference": self._add_from_reference}
            with _shadowed(optimizer, _slice_by_slice=self, **makers), ExitStack() as scopes:
                for variable in self._stacked.values():
                    scopes.enter_context(_as_slice(variable))
                original(optimizer, self._variables)
            methods["update_step"] = self._update_step
            if not same_decay:
                methods["_apply_weight_decay"] = self._apply_weight_decay
        # Not by `setattr`, which would look for weights in them.
        vars(optimizer).update(methods)

    def _check_names(self) -> None:
        optimizer = self._optimizer
        if not isinstance(optimizer, keras.optimizers.Muon):
            return
        for variable in self._stacked.values():
            treated = {}
            for number, path in enumerate(variable.slices.paths):
                with _as_slice(variable, number):
                    treated.setdefault(optimizer._should_use_adamw(variable), path)
            if len(treated) > 1:
                raise ValueError(
                    f"Muon treats the slices of {variable.slices.stack} alike, and exclude_layers="
                    f"{optimizer.exclude_layers} with exclude_embeddings={optimizer.exclude_embeddings} excludes "
                    f"{treated[True]} but not {treated[False]}. Name all of its slices or none, or use "
                    "reskeras.unroll(model) or stacked=False."
                )

    def _add(self, shape, *arguments, **options):
        """Add what the optimizer keeps of a weight; of a stacked one, for each slice."""
        optimizer, owner = self._optimizer, self._variables.current
        slices = None if owner is None else slices_of(owner)
        shape = (len(slices.paths), *shape) if slices else shape
        added = type(optimizer).add_variable(optimizer, shape, *arguments, **options)
        if slices:
            self._states[self._keys[id(owner)]].append(added)
        return added

    def _add_from_reference(self, reference_variable, *arguments, **options):
        before, self._variables.current = self._variables.current, reference_variable
        try:
            cls = type(self._optimizer)
            return cls.add_variable_from_reference(self._optimizer, reference_variable, *arguments, **options)
        finally:
            self._variables.current = before

    def _apply_gradients(self, grads, trainable_variables):
        self._present = [self._optimizer._var_key(each) in self._stacked for each in trainable_variables]
        type(self._optimizer)._backend_apply_gradients(self._optimizer, grads, trainable_variables)

    def _clip(self, grads):
        optimizer = self._optimizer
        clip = type(optimizer)._clip_gradients
        if (optimizer.clipnorm or 0) <= 0:
            return clip(optimizer, grads)
        # The class may do more with what is not clipped yet, such as record it.
        with _shadowed(optimizer, clipnorm=None):
            grads = clip(optimizer, grads)
        return [
            self._clip_slices(grad) if stacked else optimizer._clip_by_norm(grad)
            for grad, stacked in zip(grads, self._present, strict=True)
        ]

    def _clip_slices(self, grad):
        rows = keras.ops.reshape(grad, (grad.shape[0], -1))
        return keras.ops.reshape(self._optimizer._clip_by_norm(rows, 1), grad.shape)

    def _update_step(self, gradient, variable, learning_rate):
        optimizer = self._optimizer
        step, key = type(optimizer).update_step, optimizer._var_key(variable)
        if key not in self._stacked:
            step(optimizer, gradient, variable, learning_rate)
        else:
            self._run(key, lambda row: step(optimizer, row, self._stacked[key], learning_rate), gradient)

    def _apply_weight_decay(self, variables):
        optimizer = self._optimizer
        decay = type(optimizer)._apply_weight_decay
        keys = {optimizer._var_key(each): each for each in variables}
        whole = [each for key, each in keys.items() if key not in self._stacked]
        if whole:
            decay(optimizer, whole)
        for key in keys:
            if key in self._stacked:
                self._run(key, lambda variable=self._stacked[key]: decay(optimizer, [variable]))

    def _run(self, key, function, *given) -> None:
        """Run a function of the optimizer for each slice of a weight, of what is kept of it and of tensors given."""
        parts = [self._stacked[key], *self._states[key]]
        outer = get_stateless_scope()
        known = dict(outer.state_mapping) if outer else {}
        changed = set()

        def one(rows):
            with self._within_slice(parts):
                mapping = list(zip(parts, rows[len(given) :], strict=True))
                with keras.StatelessScope(mapping, initialize_variables=False) as scope:
                    before = {**known, **scope.state_mapping}
                    scope.state_mapping = dict(before)
                    function(*rows[: len(given)])
                after = scope.state_mapping
            found = {each for each in after if after[each] is not before.get(each)}
            self._check_changes(found - set(map(id, parts)), parts[0])
            changed.update(place for place, part in enumerate(parts) if id(part) in found)
            return [after[id(part)] for part in parts]

        values = backend.map_rows(one, [*given, *(part.value for part in parts)])
        for place in sorted(changed):
            parts[place].assign(values[place])

    @contextmanager
    def _within_slice(self, parts):
        """Let a weight, and what is kept of it, be those of a slice for the methods of the optimizer."""
        optimizer, variable = self._optimizer, parts[0]

        def key_of(each):
            # TensorFlow's would look into a value, which here is a tensor.
            return self._keys[id(variable)] if each is variable else type(optimizer)._var_key(optimizer, each)

        # TensorFlow's would write into a variable of its own, past the scope.
        writers = {name: getattr(BaseOptimizer, name).__get__(optimizer) for name in ASSIGNMENTS}
        with _shadowed(optimizer, _var_key=key_of, **writers), ExitStack() as scopes:
            for part in parts:
                scopes.enter_context(_as_slice(part))
            yield

    def _check_changes(self, others, variable) -> None:
        if others:
            optimizer = self._optimizer
            names = [each.path for each in optimizer.variables if id(each) in others] or ["variables not its own"]
            raise ValueError(
                f"The step of {type(optimizer).__name__} for {variable.path} is taken for each slice of "
                f"{variable.slices.stack}, and it changes what belongs to no slice: {', '.join(names)}. Make what is "
                "kept of a weight in `build`, by add_variable_from_reference, or by add_variable in a loop over the "
                "weights; or use reskeras.unroll(model) or stacked=False."
            )


class _Watched(list):
    """The weights that an optimizer is built for; `current` is the one that a loop over them has come to."""

    current = None

    def __iter__(self):
        try:
            for self.current in super().__iter__():
                yield self.current
        finally:
            self.current = None


@contextmanager
def _shadowed(optimizer, **attributes):
    """Give an optimizer attributes of its own for as long as the context lasts."""
    own = vars(optimizer)
    before = {name: own[name] for name in attributes if name in own}
    own.update(attributes)
    try:
        yield
    finally:
        for name in attributes:
            del own[name]
        own.update(before)


@contextmanager
def _as_slice(variable: keras.Variable, number: int = 0):
    """Give a stacked variable the shape of a slice, and a weight the path of one after its own."""
    before = variable._shape, variable._ndim, variable._path
    variable._shape, variable._ndim = before[0][1:], before[1] - 1
    if slices := slices_of(variable):
        variable._path = f"{before[2]}/{slices.paths[number]}"
    try:
        yield
    finally:
        variable._shape, variable._ndim, variable._path = before
