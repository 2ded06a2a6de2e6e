"""Residual, dense, highway and Transformer networks for Keras 3, and the means to see their gradients."""

from reskeras.installed import explain_missing_backend
from reskeras.on_demand import on_demand

_HOMES = {
    "GradientMonitor": "telemetry",
    "__version__": "version",
    "build": "builder",
    "build_plan": "builder",
    "load": "loading",
    "portable": "transforms.portable",
    "roll": "transforms.stacking",
    "save_portable": "transforms.portable",
    "unroll": "transforms.stacking",
    "watch": "telemetry",
}
_MODULES = ("catalogue", "datasets", "layers", "runs", "telemetry", "transforms", "verdicts", "weights")

__all__ = [*_HOMES, *_MODULES]

_export = on_demand(__name__, _HOMES, _MODULES)


def __getattr__(name):
    try:
        return _export(name)
    except ModuleNotFoundError as error:
        raise explain_missing_backend(error) from error


def __dir__():
    return sorted([*globals(), *__all__])
