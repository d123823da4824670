"""Tests of the picture of learning curves."""

import pytest
import tensorflow as tf
from PIL import Image

from benchmarks import learning_curve


def _sitting(workdir, elbos):
    writer = tf.summary.create_file_writer(
        str(workdir / "tensorboard" / "validation")
    )
    with writer.as_default():
        for step, elbo in elbos.items():
            tf.summary.scalar("elbo", elbo, step=step)
    writer.close()


def test_a_later_sitting_replaces_what_it_repeats(tmp_path):
    _sitting(tmp_path, {10: -90.0, 20: -85.0, 30: -84.0})
    _sitting(tmp_path, {15: -86.0, 20: -83.0})
    curve = learning_curve.read(tmp_path)
    assert curve.steps == [10, 15, 20]
    assert curve.negative_elbos == [90.0, 86.0, 83.0]


def test_the_picture_has_a_line_for_each_run(tmp_path):
    for name in ("one", "two"):
        _sitting(tmp_path / name, {10: -90.0, 20: -85.0})
    output = tmp_path / "new" / "curve.png"
    learning_curve.main(
        [f"--output={output}"]
        + [f"{name}={tmp_path / name}" for name in ("one", "two")]
    )
    with Image.open(output) as image:
        colors = {color for _, color in image.convert("RGB").getcolors(1 << 20)}
    assert {(31, 119, 180), (255, 127, 14)} <= colors


@pytest.mark.parametrize(
    ("run", "message"),
    [("folder", "TITLE=FOLDER"), ("a=nowhere", "validation ELBO")],
)
def test_what_is_no_run_is_refused(tmp_path, capsys, run, message):
    with pytest.raises(SystemExit) as error:
        learning_curve.main([f"--output={tmp_path / 'curve.png'}", run])
    assert error.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "curve.png").exists()


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
