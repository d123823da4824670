"""Tests of charts."""

import numpy as np
import pytest
from PIL import Image

from keras_vae.plotting import save_bar_chart

_BLUE, _RED = (0x44, 0x77, 0xAA), (0xEE, 0x66, 0x77)


def _bar_chart(path, values, **options):
    """Returns the pixels `[height, width, 3]` of a chart of bars."""
    labels = [f"{index}: 4x4x2" for index in range(len(values))]
    options = {"title": "KL", "value_label": "nats per image", **options}
    save_bar_chart(path, values, labels, **options)
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"))


def _runs(pixels, color):
    """Returns (first row, width) of each bar of a color, from the top."""
    widths = np.all(pixels == color, axis=-1).sum(axis=1)
    # Legend and text are narrower than any bar here.
    rows = np.flatnonzero(widths > 100)
    starts = [r for r in rows if r - 1 not in rows]
    return [(int(row), int(widths[row + 2])) for row in starts]


@pytest.mark.parametrize("num", [1, 6, 35])
def test_chart_grows_with_its_bars(tmp_path, num):
    path = tmp_path / "new" / "chart.png"
    pixels = _bar_chart(path, np.ones(num))
    assert pixels.shape[1] == 840
    assert pixels.shape[0] == pytest.approx(120 * (1.2 + 0.3 * num), abs=1)
    assert len(_runs(pixels, _BLUE)) == num


def test_bars_have_the_length_of_their_values_the_first_on_top(tmp_path):
    values = np.array([2.0, 4.0, 3.0])
    runs = _runs(_bar_chart(tmp_path / "chart.png", values), _BLUE)
    widths = np.array([width for _, width in runs])
    np.testing.assert_allclose(widths / widths[1], values / 4, atol=0.02)


def test_marked_bars_have_another_color(tmp_path):
    plain = _bar_chart(tmp_path / "plain.png", [2.0, 3.0, 4.0])
    pixels = _bar_chart(
        tmp_path / "marked.png",
        [2.0, 3.0, 4.0],
        marked=[1],
        mark_label="collapsed",
    )
    assert _runs(plain, _RED) == []
    blue, red = _runs(pixels, _BLUE), _runs(pixels, _RED)
    assert [len(blue), len(red)] == [2, 1]
    assert blue[0][0] < red[0][0] < blue[1][0]
    assert blue[0][1] < red[0][1] < blue[1][1]


def test_collapsed_bars_of_no_length_are_no_error(tmp_path):
    pixels = _bar_chart(
        tmp_path / "chart.png", [0.0, 0.0], marked=[0, 1], mark_label="x"
    )
    assert pixels.shape[1] == 840


def test_the_value_of_a_marked_bar_has_its_color(tmp_path):
    values, label = [0.0, 3.0], {"mark_label": "x"}
    plain = _bar_chart(tmp_path / "plain.png", values, marked=[1], **label)
    pixels = _bar_chart(tmp_path / "marked.png", values, marked=[0], **label)
    upper = slice(0, pixels.shape[0] // 3)  # Down to the first bar's value.
    assert not np.any(np.all(plain[upper, :200] == _RED, axis=-1))
    assert np.any(np.all(pixels[upper, :200] == _RED, axis=-1))
