"""Whether two runs came to the same: every number that they left, to the last bit."""

from __future__ import annotations

import numpy as np
from workbench import events, left_over, steps_of, trained_weights

from reskeras.runs import Run, checkpoints, results


def check_same(run: Run, whole: Run) -> None:
    """Check that a run that was interrupted has left what another has left that was not.

    Compared are the network, what the last checkpoint holds of model, optimizer, random numbers and running means, the
    tables of every step, and the results of all epochs and of the test.
    """
    _check_arrays(trained_weights(run), trained_weights(whole))
    mine, others = (checkpoints.newest(one.checkpoints_path)[0] for one in (run, whole))
    assert mine.step == others.step
    _check_arrays(*({n: a for n, a in one.arrays.items() if not n.startswith("table/")} for one in (mine, others)))
    assert [untimed(each) for each in results.epochs(run.events())] == [
        untimed(each) for each in events(whole, "epoch")
    ]
    assert untimed(events(run, "tested")[-1]) == untimed(events(whole, "tested")[-1])
    assert steps_of(run) == steps_of(whole)
    for path in whole.folder.glob("*.rows"):
        if path != whole.curve_path:
            assert (run.folder / path.name).read_bytes() == path.read_bytes(), path.name
    check_curve(run)
    assert left_over(run) == [] and not list(run.checkpoints_path.glob(".*"))


def check_curve(run: Run) -> None:
    """Check that each epoch's points are means of its samples, each counted once, in the order of their time."""
    curve = run.curve()
    steps = np.diff(curve["step"].astype(int), prepend=0)
    assert (steps > 0).all() and (np.diff(curve["seconds"]) >= 0).all()
    for epoch in results.epochs(run.events()):
        points = curve["epoch"] == epoch["epoch"]
        mean = np.average(curve["loss"][points].astype(float), weights=steps[points])
        np.testing.assert_allclose(mean, epoch["loss"], rtol=1e-5)
        assert curve["step"][points][-1] == epoch["step"]


def untimed(event: dict) -> dict:
    """Return an event without when it happened."""
    return {name: fact for name, fact in event.items() if name != "time"}


def _check_arrays(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> None:
    assert ours.keys() == theirs.keys()
    for name, array in theirs.items():
        np.testing.assert_array_equal(ours[name], array, name)
