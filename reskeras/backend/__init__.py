"""The one package that asks which backend runs: its devices, training state, loops, kernels and random numbers."""

from reskeras.backend.convolutions import by_products
from reskeras.backend.feeding import fed
from reskeras.backend.gathering import Seat, Seats, can_gather, chained, look_from, seats
from reskeras.backend.loops import map_rows, recomputed, scan, scan_in_segments, unrolls_convolutions
from reskeras.backend.measuring import (
    WeightStatistics,
    apart_in_replicas,
    norms,
    over_replicas,
    replicas,
    values_now,
)
from reskeras.backend.operations import batch_norm, count_in, square_sum, vector, write_row
from reskeras.backend.probing import enter, leave_behind, looks_at_many
from reskeras.backend.process import (
    compile_whole_step,
    devices,
    give_memory_back,
    keep_compiled,
    leave_out_tensorflow,
    make_repeatable,
    name,
    place,
    version,
    without_tensorflow,
)
from reskeras.backend.random import draw_each, dropout_at, generator_states, set_generator_states
from reskeras.backend.recomputing import remat, summed_gradients
from reskeras.backend.state import RingReader, StateReader, as_numpy
from reskeras.backend.tracing import can_record, recorded

__all__ = [
    "RingReader",
    "Seat",
    "Seats",
    "StateReader",
    "WeightStatistics",
    "apart_in_replicas",
    "as_numpy",
    "batch_norm",
    "by_products",
    "can_gather",
    "can_record",
    "chained",
    "compile_whole_step",
    "count_in",
    "devices",
    "draw_each",
    "dropout_at",
    "enter",
    "fed",
    "generator_states",
    "give_memory_back",
    "keep_compiled",
    "leave_behind",
    "leave_out_tensorflow",
    "look_from",
    "looks_at_many",
    "make_repeatable",
    "map_rows",
    "name",
    "norms",
    "over_replicas",
    "place",
    "recomputed",
    "recorded",
    "remat",
    "replicas",
    "scan",
    "scan_in_segments",
    "seats",
    "set_generator_states",
    "square_sum",
    "summed_gradients",
    "unrolls_convolutions",
    "values_now",
    "vector",
    "version",
    "without_tensorflow",
    "write_row",
]
