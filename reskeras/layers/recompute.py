"""Memory for time: what a layer computes is thrown away after the forward pass and computed again in the backward."""

from __future__ import annotations

import keras
from keras.src.backend import AutocastScope, get_keras_mask, set_keras_mask

from reskeras import backend
from reskeras.layers import any_layer
from reskeras.layers.composite import Composite

TOGETHER = 8
"""Tensors of densely connected layers that become one."""


@keras.saving.register_keras_serializable(package="reskeras")
class Recompute(Composite):
    """The layer inside, of which training keeps the inputs alone: the backward pass computes the rest again.

    Weights after training are those of the layer by itself, to the last bit: moving statistics are updated once, and
    dropout drops the same units both times. (`keras.remat` gives neither for layers with such a state.) Where XLA
    compiles for a CPU, on JAX and with `jit_compile=True` on TensorFlow, it fuses what is computed again with what
    needs it: products and sums are then rounded once or twice as it falls, and weights are equal but for that. A
    network of L layers so wrapped keeps L inputs, for about a third more computation (Chen et al. 2016, 1604.06174).

    Args:
        layer: any layer that is called on one tensor, or on one list or dictionary of tensors.

    Input shape: that of the layer. Output shape: that of the layer.

    Example:
        >>> block = keras.Sequential([keras.layers.Dense(256, activation="relu"), keras.layers.Dense(64)])
        >>> Recompute(block)(keras.Input((64,))).shape
        (None, 64)
    """

    def __init__(self, layer, **kwargs):
        super().__init__(**kwargs)
        self.layer = layer

    def build(self, input_shape):
        any_layer.build(self.layer, input_shape)
        self.built = True

    def call(self, inputs, training=None):
        return call_recomputed(self.layer, inputs) if training else self.layer(inputs)

    def compute_mask(self, inputs, previous_mask):
        return self.layer.compute_mask(inputs, previous_mask) if self.layer.supports_masking else None

    def compute_output_shape(self, input_shape):
        return any_layer.shape_after(self.layer, input_shape)

    def compute_output_spec(self, inputs, training=None):
        return self.layer.compute_output_spec(inputs)

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "layer": keras.saving.deserialize_keras_object(config["layer"])})


@keras.saving.register_keras_serializable(package="reskeras")
class SummedGradients(Composite):
    """A list of tensors that many layers read: in the backward pass, what these give is summed up here.

    Before anything behind is computed backwards, that is: no layer's gradients are kept until the sums are needed.
    Among L densely connected layers of which training keeps the pieces alone (`Recompute`), memory then grows with L,
    and not with its square, also where a compiler would do sums last.

    Every `TOGETHER` pieces that came one by one after the first are joined along their channels, so that a layer reads
    few tensors: a compiler takes time and memory for each that each layer reads. The first stays by itself, for a layer
    that reads a single tensor has its gradient summed with those of others in another order.

    Args:
        pieces: how many there are, counted one by one, joined ones too.
        axis: that of the channels.

    Input shape: a list of shapes. Output shape: the same list, but for the last `TOGETHER` where they are joined.

    Example:
        >>> [image, earlier] = SummedGradients(2)([keras.Input((8, 8, 16)), keras.Input((8, 8, 12))])
        >>> earlier.shape
        (None, 8, 8, 12)
    """

    def __init__(self, pieces, axis=-1, **kwargs):
        super().__init__(**kwargs)
        self.pieces = pieces
        self.axis = axis
        full = pieces > 1 and (pieces - 1) % TOGETHER == 0
        self.join = self.part(keras.layers.Concatenate, "join", axis=axis) if full else None

    def build(self, input_shape):
        if self.join:
            self.join.build(input_shape[-TOGETHER:])
        self.built = True

    def joined(self, tensors):
        """Return the tensors, the last `TOGETHER` of them as one where they are joined."""
        return [*tensors[:-TOGETHER], self.join(tensors[-TOGETHER:])] if self.join else list(tensors)

    def call(self, inputs):
        tensors = self.joined(inputs)
        symbolic = any(keras.utils.is_keras_tensor(each) for each in tensors)
        return tensors if symbolic else backend.summed_gradients(tensors)

    def compute_output_shape(self, input_shape):
        if self.join is None:
            return list(input_shape)
        return [*input_shape[:-TOGETHER], self.join.compute_output_shape(input_shape[-TOGETHER:])]


def call_recomputed(layer: keras.Layer, inputs, compute=None):
    """Return what a built layer gives in training, keeping `inputs` alone for the gradient.

    Args:
        layer: the layer, which owns all weights and states.
        inputs: a tensor, or a list, tuple or dictionary of them.
        compute: `(inputs, training) -> outputs` where that is not the layer itself. It runs a second time outside of
            Keras's call of the layer, so it tells each layer inside that this is training.
    """
    compute = layer if compute is None else compute
    tensors = keras.tree.flatten(inputs)
    if any(keras.utils.is_keras_tensor(each) for each in tensors):
        return compute(inputs)
    masks = [get_keras_mask(each) for each in tensors]
    trained, state = layer.trainable_variables, layer.non_trainable_variables
    structure = []

    def forward(*values):
        # All that the result depends on comes in as values and all that changes goes out, so that the second run is
        # equal to the first whatever the variables hold by then.
        given, values = values[: len(tensors)], values[len(tensors) :]
        for tensor, mask in zip(given, masks, strict=True):
            set_keras_mask(tensor, mask)
        mapping = list(zip([*trained, *state], values, strict=True))
        with keras.StatelessScope(mapping, collect_losses=True) as scope, AutocastScope(None):
            outputs = compute(keras.tree.pack_sequence_as(inputs, given), training=True)
            new = [scope.get_current_value(variable) for variable in state]
        structure[:] = outputs, len(scope.losses)
        return (*keras.tree.flatten(outputs), *scope.losses, *new)

    # In the precision that they are kept in, whatever that of the layer outside.
    with AutocastScope(None):
        # Copies, for on some backends an assignment changes the value that was read before it.
        values = [variable.value for variable in trained] + [keras.ops.copy(variable) for variable in state]
    found = list(backend.remat(forward)(*tensors, *values))
    outputs, losses = structure
    count = len(keras.tree.flatten(outputs))
    for loss in found[count : count + losses]:
        layer.add_loss(loss)
    for variable, value in zip(state, found[count + losses :], strict=True):
        variable.assign(keras.ops.stop_gradient(value))
    return keras.tree.pack_sequence_as(outputs, found[:count])
