"""A run that is cut off goes on, by the same command, to the same end."""

import json
import os
import pathlib
import signal
import time

import numpy as np
import pytest
import tensorflow as tf

pytestmark = pytest.mark.slow

_TIMEOUT = 240


def _last_step(workdir: pathlib.Path) -> int:
    path = tf.train.latest_checkpoint(str(workdir / "checkpoints"))
    return int(path.rpartition("-")[2]) if path else 0


def _wait_for_step(workdir, step) -> None:
    """Waits until the run has saved a checkpoint beyond `step`."""
    deadline = time.monotonic() + _TIMEOUT
    while _last_step(workdir) <= step:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _final_values(workdir) -> dict[str, np.ndarray]:
    """Returns what the last checkpoint holds, but for the time it took."""
    path = tf.train.latest_checkpoint(str(workdir / "checkpoints"))
    reader = tf.train.load_checkpoint(path)
    return {
        name: reader.get_tensor(name)
        for name, dtype in reader.get_variable_to_dtype_map().items()
        if dtype != tf.string and "elapsed" not in name
    }


@pytest.fixture(scope="module")
def story(trained_run, warm_process, tmp_path_factory):
    """Runs the command three times: ended, killed, and to the end."""
    workdir = tmp_path_factory.mktemp("resuming") / "run"
    log = workdir.parent / "log"
    steps, codes = [], []
    for number in (signal.SIGTERM, signal.SIGKILL, None):
        process = warm_process.start(
            "train",
            *trained_run.flags,
            f"--workdir={workdir}",
            "--noexport",
            cwd=workdir.parent,
            to=[log, log],
        )
        try:
            if number is not None:
                _wait_for_step(workdir, steps[-1] if steps else 0)
                os.kill(process, number)
        finally:
            codes.append(warm_process.wait())
        steps.append(_last_step(workdir))
    return workdir, log.read_text(), steps, codes


def test_run_was_cut_off_in_its_midst(story, trained_run):
    _, _, steps, _ = story
    end = _last_step(trained_run.workdir)
    assert 0 < steps[0] < steps[1] < steps[2] == end


def test_exit_codes_are_those_of_shells(story):
    _, _, _, codes = story
    assert codes == [143, -signal.SIGKILL, 0]


def test_ended_run_says_how_to_go_on(story):
    _, log, _, _ = story
    assert "stopped by SIGTERM: the same command continues" in log
    assert "Traceback" not in log


def test_run_ends_where_one_that_was_not_cut_off_ends(story, trained_run):
    workdir, _, _, _ = story
    found, expected = map(_final_values, (workdir, trained_run.workdir))
    assert set(found) == set(expected)
    # Weights, averages, moments, counters: every bit.
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_results_are_those_of_one_that_was_not_cut_off(story, trained_run):
    workdir, _, _, _ = story
    found, expected = (
        json.loads((path / "results.json").read_text())
        for path in (workdir, trained_run.workdir)
    )
    assert found["test"] == expected["test"]
    assert found["training"]["steps"] == expected["training"]["steps"]


def test_finished_command_ends_soon(story, trained_run, warm_process, tmp_path):
    workdir, _, steps, _ = story
    events = sorted((workdir / "tensorboard").rglob("*.v2"))
    result = warm_process.run(
        "train",
        *trained_run.flags,
        f"--workdir={workdir}",
        "--noexport",
        "--noevaluate",
        cwd=tmp_path,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert "epoch" not in result.stdout
    assert _last_step(workdir) == steps[-1]
    assert sorted((workdir / "tensorboard").rglob("*.v2")) == events


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
