"""The operations of a function, recorded once and done again without what Python does between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from reskeras.backend.process import has_no_numbers, name


def can_record(tensor: Any) -> bool:
    """Return whether a body that is run on a tensor is to be recorded.

    JAX and TensorFlow compile the body. PyTorch would run for each slice all that Keras does in a call of a layer: for
    small layers that takes several times as long as the arithmetic.
    """
    if name() != "torch" or has_no_numbers(tensor):
        return False
    import torch
    from torch.fx.experimental.proxy_tensor import get_proxy_mode

    return not torch.compiler.is_compiling() and get_proxy_mode() is None


def recorded(body: Callable, carry: Any, rows: Sequence[Any]) -> Callable | None:
    """Return a function that does what a body of `scan` does, sooner; None where there is none.

    What depends on values in Python, such as Keras's seeds of dropout, cannot be recorded. Whether the rest was
    recorded right is seen by running both on other values, and comparing results and gradients.

    Args:
        body: `(carry, rows, ()) -> (carry, outputs)`, which reads no other tensors.
        carry: a first carry; the function takes carries of this shape and type alone.
        rows: what the body gets for one slice.
    """
    import torch
    from torch.fx.experimental.proxy_tensor import make_fx

    def flat(carry, *rows):
        following, outputs = body(carry, list(rows), ())
        return (following, *outputs)

    given = [carry.detach(), *(row.detach() for row in rows)]
    # What draws random numbers while this is found out must not change those of the training.
    with torch.random.fork_rng(_generators(carry)):
        try:
            graph = make_fx(flat, pre_dispatch=True)(*given)
            _leave_out_casts(graph)
            right = _agree(flat, graph, given)
        except Exception:
            # Whatever a layer does that is not recorded, it can do itself.
            return None
    if not right:
        return None

    return Recorded(graph)


class Recorded:
    """A body of `scan` that was recorded.

    Args:
        graph: takes a carry and rows, and returns the next carry with the outputs in one tuple.

    Attributes:
        gives_apart: whether nothing in the body uses the carry that it returns, so that its gradient is that of what
            follows alone.
    """

    def __init__(self, graph: Any):
        # Not the module itself, whose call looks for hooks first.
        self._run = graph.forward
        [output] = (node for node in graph.graph.nodes if node.op == "output")
        following = output.args[0][0]
        self.gives_apart = (
            following.op == "call_function" and len(following.users) == 1 and output.args[0].count(following) == 1
        )

    def __call__(self, carry: Any, rows: Sequence[Any], constants: tuple) -> tuple[Any, list[Any]]:
        """Return the next carry and the outputs; there are no constants."""
        following, *outputs = self._run(carry, *rows)
        return following, outputs


def _generators(tensor) -> list[int]:
    return [tensor.device.index] if tensor.device.type == "cuda" else []


def _leave_out_casts(graph) -> None:
    """Take out conversions to the type that a tensor has already."""
    for node in list(graph.graph.nodes):
        if str(node.target) in ("aten.to.dtype", "aten.to.dtype_layout"):
            source = node.args[0]
            if source.meta["val"].dtype == node.meta["val"].dtype:
                node.replace_all_uses_with(source)
                graph.graph.erase_node(node)
    graph.graph.eliminate_dead_code()
    graph.recompile()


def _agree(function: Callable, other: Callable, given: list[Any]) -> bool:
    """Return whether two functions give the same, and pass the same gradients back, on values near the given ones."""
    import torch

    generator = torch.Generator().manual_seed(0)

    def other_value(tensor):
        # Positive stays positive, such as a variance; and no factor stays zero, which would hide what is behind it.
        noise = 0.1 * torch.rand(tensor.shape, generator=generator).to(tensor.device, tensor.dtype)
        return (tensor + noise * (1 + tensor.abs())).requires_grad_() if tensor.is_floating_point() else tensor

    values = [other_value(each) for each in given]
    found = []
    for each in (function, other):
        with torch.enable_grad():
            outputs = [output for output in each(*values) if isinstance(output, torch.Tensor)]
            total = sum(torch.sin(output).sum() for output in outputs if output.requires_grad)
            wanted = [value for value in values if value.requires_grad]
            gradients = torch.autograd.grad(total, wanted, allow_unused=True) if outputs else ()
        found.append([*outputs, *(each for each in gradients if each is not None)])
    ours, theirs = found
    return len(ours) == len(theirs) and all(
        torch.allclose(one, two, rtol=1e-5, atol=1e-7, equal_nan=True) for one, two in zip(ours, theirs, strict=True)
    )
