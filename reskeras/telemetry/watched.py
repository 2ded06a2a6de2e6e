"""A functional model with probes at the outputs of its blocks, and the model itself left as it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import keras
from keras.src.models.functional import operation_fn

from reskeras.layers.deep import functional
from reskeras.layers.probes import SLOTS, Probe, probe_values, probed, unseen
from reskeras.runs.statistics import reaches
from reskeras.telemetry.places import Place, find_places, inner_model


def watch(model: keras.Model, at: Sequence[str] | None = None) -> Watched:
    """Return a model that computes what `model` does, with its weights, and can be watched block by block.

        watched = reskeras.watch(model)
        watched.compile("adam", "sparse_categorical_crossentropy")
        watched.fit(x, y, callbacks=[reskeras.GradientMonitor("runs/deep", level="probes")])

    Training it trains the weights of `model`, which is not touched otherwise. Where `model` is compiled, so is what is
    returned, with an optimizer of the same settings and state. What it saves and exports is `model`, without a trace of
    the probes.

    Args:
        model: a functional or sequential model, of Keras's layers or any others.
        at: names of layers whose outputs are to be measured, those inside of models by their path, such as
            `"encoder/dense_1"`. None takes the ends of skips (additions and concatenations), layers that are made of
            layers and the slices of stacks, or where there are none of these, every layer with a kernel.

    Raises:
        ValueError: for a model whose layers are called by code of its own, for one with a `train_step` of its own, and
            for names that no layer has.
    """
    graph = inner_model(model)
    if graph is None:
        raise ValueError(
            f"{model.name} calls its layers in code of its own ({type(model).__name__}.call), where no probe can be "
            "put in. Its weights can be watched as it is: GradientMonitor(folder, level='norms')."
        )
    if type(model).train_step is not keras.Model.train_step:
        raise ValueError(
            f"{type(model).__name__} has a train_step of its own, which another model would not take. Its weights can "
            "be watched as it is: GradientMonitor(folder, level='norms')."
        )
    watched = Watched(model, find_places(model, at))
    if model.compiled:
        _compile_alike(watched, model)
    return watched


class Watched(keras.Model):
    """What `watch` returns.

    Args:
        model: the model to be watched.
        places: where its probes are.

    Attributes:
        watched: the model.
        places: where its probes are.
        level: how much is measured, set by `GradientMonitor`; at `"off"` and `"norms"`, no probe measures anything.
    """

    def __init__(self, model: keras.Model, places: list[Place]):
        # PyTorch takes no full stops in the names of weights.
        super().__init__(name=model.name.replace(".", "_"))
        self.watched = model
        object.__setattr__(self, "places", places)
        object.__setattr__(self, "_known", {place.call: place for place in places})
        object.__setattr__(self, "level", "off")
        self._probes = self.add_weight(
            shape=(sum(len(place.names) for place in places), len(SLOTS)),
            initializer="zeros",
            dtype="float32",
            autocast=False,
            overwrite_with_gradient=True,
            aggregation="sum",
            name="probes",
        )
        # By this the optimizer knows it; its name could be another's too.
        self._probes.probe = True
        self.built = True

    @property
    def output_names(self):
        """Names of the outputs, by which losses and metrics find them."""
        return inner_model(self.watched).output_names

    def call(self, inputs, training=None, mask=None):
        if not training:
            return self.watched(inputs, training=training, mask=mask)
        if not reaches(self.level, "probes"):
            # As fast as the model by itself, but for what the optimizer is given for the probes.
            outputs = self.watched(inputs, training=training, mask=mask)
            return keras.tree.map_structure(lambda y: unseen(y, self._probes), outputs)
        parts = probe_values(self._probes, self.level, [len(place.names) for place in self.places])
        values = {place.call: part for place, part in zip(self.places, parts, strict=True)}
        return self._through(self.watched, inputs, training, values, Counter())

    def _through(self, model, inputs, training, values: dict, visits: Counter):
        """Return what a model gives whose outputs are looked at.

        Args:
            model: the model that is watched, or one inside of it.
            inputs: what it is called with.
            training: what its layers are told.
            values: those of the probes, by `Place.call`.
            visits: how many times each operation has been called; counted on.
        """
        # Not a function that knows itself: PyTorch's tensors of a step would be kept until Python looks for garbage.
        graph, known = inner_model(model), self._known

        def chosen(operation):
            if inner_model(operation) is not None:
                return lambda inputs, **_: self._through(operation, inputs, training, values, visits)
            call = id(operation), visits[id(operation)]
            visits[id(operation)] += 1
            run = operation_fn(operation, training=training)
            if call not in known:
                return run
            probe = Probe(values[call], self.level, known[call].channels)
            return lambda *args, **kwargs: _probed(operation, run, known[call], probe, args, kwargs)

        outputs = graph._run_through_graph(graph._standardize_inputs(inputs), operation_fn=chosen)
        return outputs[0] if isinstance(outputs, (list, tuple)) and len(outputs) == 1 else outputs

    def _plain(self) -> keras.Model:
        """Return the model itself, compiled as this one is, with the state of its optimizer."""
        graph = inner_model(self.watched)
        model = functional(graph._inputs_struct, graph._outputs_struct, name=self.watched.name)
        if self.compiled:
            model.compile(**{**self._compile_config.config, "optimizer": self.optimizer})
        return model

    def save(self, filepath, overwrite=True, zipped=None, **kwargs):
        """Save the model that is watched, compiled as this one is, as a functional model."""
        self._plain().save(filepath, overwrite=overwrite, zipped=zipped, **kwargs)

    def save_weights(self, filepath, overwrite=True, **kwargs):
        """Save the weights of the model that is watched."""
        self.watched.save_weights(filepath, overwrite=overwrite, **kwargs)

    def load_weights(self, filepath, skip_mismatch=False, **kwargs):
        """Load weights into the model that is watched."""
        self.watched.load_weights(filepath, skip_mismatch=skip_mismatch, **kwargs)

    def export(self, filepath, **kwargs):
        """Export the model that is watched."""
        self.watched.export(filepath, **kwargs)

    def count_params(self):
        """Return how many weights the model has that is watched."""
        return self.watched.count_params()

    def summary(self, *args, **kwargs):
        """Print the model that is watched."""
        return self.watched.summary(*args, **kwargs)


def _probed(operation, run, place: Place, probe: Probe, args, kwargs):
    if place.kind == "stack":
        with operation.probed_by(probe):
            return run(*args, **kwargs)
    probe = Probe(probe.values[0], probe.level, probe.channels)
    first, *rest = args if args else (next(iter(kwargs.values())),)
    if place.kind == "merge":
        tensors = keras.tree.flatten(args)
        skip = None if place.skip is None else tensors[place.skip]
        return probed(lambda _: run(*args, **kwargs), tensors[0], probe, False, skip)
    if not args:
        return probed(lambda _: run(**kwargs), first, probe, False)
    # Blocks that append read the pieces before them as a list.
    keeps_shape = place.keeps_shape and keras.ops.is_tensor(first)
    return probed(lambda x: run(x, *rest, **kwargs), first, probe, keeps_shape)


def _compile_alike(watched: Watched, model: keras.Model) -> None:
    old = model.optimizer
    new = type(old).from_config(old.get_config())
    watched.compile(**{**model._compile_config.config, "optimizer": new})
    if old.built:
        new.build(watched.trainable_variables)
        new.set_weights([keras.ops.convert_to_numpy(each) for each in old.variables])
