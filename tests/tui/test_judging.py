"""Large runs are judged in a process of its own, which never stays behind."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from recorded import RecordedRun
from reskeras_tui import judging

from reskeras import verdicts
from reskeras.runs import RunError

pytestmark = pytest.mark.any_backend

SLOW = """
import sys, time
from reskeras_tui import judging
def of(run):
    print("judging", file=sys.stderr, flush=True)
    time.sleep(600)
judging.verdicts.of = of
judging.main(".")
"""


def test_another_process_says_the_same(tmp_path, monkeypatch):
    run = RecordedRun(tmp_path, layers=40, probes=True).begin().grow(40).finish().run
    here = tuple(verdicts.of(run))
    assert judging.judged(run) == here
    monkeypatch.setattr(judging, "LARGE_BYTES", 0)
    monkeypatch.setattr(judging.verdicts, "of", lambda run: pytest.fail("judged in this process"))
    assert judging.judged(run) == here and here[0].kind == "vanishing"
    (run.folder / "weights.json").write_text("{")
    with pytest.raises(RunError, match="is not JSON"):
        judging.judged(run)
    assert not judging._processes


def test_no_process_stays_behind(tmp_path, monkeypatch):
    run = RecordedRun(tmp_path).begin().grow(1).finish().run
    (tmp_path / "slow_judging.py").write_text(SLOW)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    monkeypatch.setattr(judging, "LARGE_BYTES", 0)
    monkeypatch.setattr(judging, "__name__", "slow_judging")
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(judging.judged, run)
        while not judging._processes:
            assert not asked.done()
        judging.end()
        with pytest.raises(RunError, match="ended with code -9"):
            asked.result(timeout=60)
    # As when the process that asked was killed.
    words = [sys.executable, "-m", "slow_judging"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr.readline() == "judging\n" and process.poll() is None
        process.stdin.close()
        assert process.wait(timeout=60) == 1
