"""The tables of bench_depth.py, from its measurements; works without Keras."""

from __future__ import annotations

from collections.abc import Callable

from depth_networks import BY_BATCH, KERAS_FORMS

Found = dict[tuple[str, str, str], dict]
"""Costs, or an error, by (network, backend, form)."""

LONG = {"jax": "JAX", "tensorflow": "TensorFlow", "torch": "PyTorch"}
NATIVE = ("channels_last", "compiled", "compiled_channels_last")
MISSING = "–"


def described(job: tuple[str, str, str], result: dict, seconds: float) -> str:
    """Return one measurement as a line, with the seconds that its process took."""
    name, backend, form = job
    start = f"{name:<12} {backend:<11} {form:<23} {seconds:>4.0f} s  "
    if "error" in result:
        return start + result["error"]
    return start + (
        f"built {result['build']:6.2f} s  first step {result['first']:6.2f} s  step {result['step'] * 1e3:8.1f} ms  "
        f"{result['rate'] / 1e9:5.0f} GFLOP/s  {result['memory']:6.0f} MB"
    )


def tables(found: Found, peak: dict) -> str:
    """Return all tables as text.

    Args:
        found: the measurements.
        peak: the machine's operations a second in a product of matrices, by who computed it.
    """
    most = max(peak.values())
    peaks = ", ".join(f"{name} {rate / 1e9:.0f}" for name, rate in peak.items())
    parts = [
        f"Peak in a product of two matrices, float32, GFLOP/s: {peaks}.",
        "Ratios:\n\n" + _ratios(found, most),
        "Steady step in ms:\n\n" + _steps(found, most),
        "Seconds to the end of the first step, of these to build:\n\n" + _starts(found),
        "Peak memory in MB:\n\n" + _by_form(found, lambda costs: f"{costs['memory']:.0f}"),
        "By hand, without Keras; ratios are those of our steps on the same backend to it:\n\n" + _peers(found),
    ]
    return "\n\n".join(parts)


def table(header: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def ratio(found: Found, above: tuple, below: tuple, what: str = "step") -> str:
    """Return one measurement over another as text."""
    values = [found.get(job, {}).get(what) for job in (above, below)]
    return MISSING if None in values else f"{values[0] / values[1]:.2f}"


def _places(found: Found) -> list[tuple[str, str]]:
    return list(dict.fromkeys((name, backend) for name, backend, _ in found))


def _cell(found: Found, job: tuple, text: Callable[[dict], str]) -> str:
    costs = found.get(job)
    if costs is None:
        return MISSING
    # Of an exception its name alone.
    return costs["error"].split(":")[0] if "error" in costs else text(costs)


def _by_form(found: Found, text: Callable[[dict], str], more: Callable[[str, str], list[str]] | None = None, names=()):
    rows = []
    for name, backend in _places(found):
        cells = [_cell(found, (name, backend, form), text) for form in KERAS_FORMS]
        rows.append([name, LONG[backend], *cells, *(more(name, backend) if more else [])])
    return table(["network", "backend", *KERAS_FORMS, *names], rows)


def _steps(found: Found, most: float) -> str:
    def more(name, backend):
        best = [found.get((name, backend, form), {}).get("rate", 0) for form in ("stacked", "telemetry")]
        share = f"{max(best) / most:.0%}" if max(best) else MISSING
        return [
            ratio(found, (name, backend, "stacked"), (name, backend, "keras")),
            ratio(found, (name, backend, "telemetry"), (name, backend, "stacked")),
            f"{max(best) / 1e9:.1f}",
            share,
        ]

    names = ("stacked / keras", "telemetry / stacked", "GFLOP/s", "of peak")
    return _by_form(found, lambda costs: f"{costs['step'] * 1e3:.3g}", more, names)


def _starts(found: Found) -> str:
    def more(name, backend):
        return [ratio(found, (name, backend, "stacked"), (name, backend, "keras"), "first")]

    return _by_form(found, lambda costs: f"{costs['first']:.2f} ({costs['build']:.2f})", more, ("stacked / keras",))


def _peers(found: Found) -> str:
    rows = []
    for name, backend, form in found:
        if form in KERAS_FORMS or form in BY_BATCH:
            continue
        job = (name, backend, form)
        cells = [
            _cell(found, job, lambda costs: f"{costs['first']:.2f}"),
            _cell(found, job, lambda costs: f"{costs['step'] * 1e3:.3g}"),
            _cell(found, job, lambda costs: f"{costs['rate'] / 1e9:.1f}"),
            _cell(found, job, lambda costs: f"{costs['memory']:.0f}"),
        ]
        ratios = [ratio(found, (name, backend, ours), job) for ours in ("stacked", "telemetry")]
        rows.append([name, LONG[backend], form, *cells, *ratios])
    header = ["network", "backend", "form", "first step s", "step ms", "GFLOP/s", "MB", "stacked", "telemetry"]
    return table(header, rows)


def _ratios(found: Found, most: float) -> str:
    """Return what depth costs in a few numbers, a row each and a column for each backend."""
    backends = list(dict.fromkeys(backend for _, backend, _ in found))
    rows: list[tuple[str, Callable[[str], str]]] = [
        ("stacked, first step, mlp-1000 / mlp-10", lambda b: ratio(found, *_deep_and_shallow(b), "first")),
        ("stacked, first step of mlp-1000, s", lambda b: _seconds(found, ("mlp-1000", b, "stacked"))),
    ]
    for name in ("mlp-300", "highway-50", "resnet-20", "resnet-110", "gpt-12"):
        rows.append(
            (f"step of {name}, stacked / keras", lambda b, n=name: ratio(found, (n, b, "stacked"), (n, b, "keras")))
        )
    rows.append(
        (
            "step of mlp-300 by train_on_batch, stacked / keras",
            lambda b: ratio(found, ("mlp-300", b, "stacked_by_batch"), ("mlp-300", b, "keras_by_batch")),
        )
    )
    for name in ("mlp-10", "mlp-100", "mlp-300", "mlp-1000", "gpt-12"):
        rows.append(
            (
                f"step of {name}, stacked / `lax.scan`",
                lambda b, n=name: ratio(found, (n, b, "stacked"), (n, "jax", "scan")),
            )
        )
    for name in ("resnet-20", "resnet-110"):
        native = _fastest(found, name)
        rows.append(
            (
                f"step of {name}, telemetry / PyTorch's {native}",
                lambda b, n=name, f=native: ratio(found, (n, b, "telemetry"), (n, "torch", f)),
            )
        )
        rows.append(("the same, share of the peak", lambda b, n=name: _share(found, (n, b, "telemetry"), most)))
    lines = [[text, *map(value, backends)] for text, value in rows]
    return table(["ratio", *(LONG[each] for each in backends)], [line for line in lines if set(line[1:]) != {MISSING}])


def _deep_and_shallow(backend: str):
    return ("mlp-1000", backend, "stacked"), ("mlp-10", backend, "stacked")


def _seconds(found: Found, job: tuple) -> str:
    return _cell(found, job, lambda costs: f"{costs['first']:.2f}")


def _share(found: Found, job: tuple, most: float) -> str:
    return _cell(found, job, lambda costs: f"{costs['rate'] / most:.0%}")


def _fastest(found: Found, name: str) -> str:
    """Return which of PyTorch's own forms is the fastest for a network."""
    steps = {form: found.get((name, "torch", form), {}).get("step") for form in NATIVE}
    steps = {form: step for form, step in steps.items() if step}
    return min(steps, key=steps.get) if steps else MISSING
