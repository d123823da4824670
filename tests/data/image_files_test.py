"""Tests of reading image files."""

import numpy as np
import pytest
from PIL import Image

from keras_vae.data.image_files import inspect_image, read_image
from keras_vae.errors import UserError

LEVELS = np.random.RandomState(0).randint(0, 256, (6, 9), np.uint8)
COLOURS = np.random.RandomState(1).randint(0, 256, (6, 9, 3), np.uint8)


def _save(path, array, **kwargs):
    Image.fromarray(array).save(path, **kwargs)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "gif"])
def test_grey_files_are_read_exactly(tmp_path, suffix):
    path = _save(tmp_path / f"a.{suffix}", LEVELS)
    file = inspect_image(path)
    assert (file.height, file.width) == (6, 9)
    np.testing.assert_array_equal(read_image(path, 1)[..., 0], LEVELS)


@pytest.mark.parametrize("suffix", ["png", "bmp"])
def test_colour_files_are_read_exactly(tmp_path, suffix):
    path = _save(tmp_path / f"a.{suffix}", COLOURS)
    assert not inspect_image(path).is_grey
    np.testing.assert_array_equal(read_image(path, 3), COLOURS)


def test_jpeg_is_read_nearly(tmp_path):
    smooth = np.tile(np.arange(0, 160, 10, dtype=np.uint8), (16, 1))
    path = _save(tmp_path / "a.jpg", smooth, quality=95)
    assert inspect_image(path).is_grey
    np.testing.assert_allclose(
        read_image(path, 1)[..., 0].astype(int), smooth, atol=6
    )


def test_grey_becomes_colour(tmp_path):
    path = _save(tmp_path / "a.png", LEVELS)
    expected = np.repeat(LEVELS[..., None], 3, axis=-1)
    np.testing.assert_array_equal(read_image(path, 3), expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_transparent_parts_are_white(tmp_path, channels):
    alpha = np.zeros((6, 9), np.uint8)
    alpha[:3] = 255
    if channels == 1:
        shown = LEVELS[..., None]
        image = np.stack([LEVELS, alpha], axis=-1)
    else:
        shown = COLOURS
        image = np.concatenate([COLOURS, alpha[..., None]], axis=-1)
    path = _save(tmp_path / "a.png", image)
    assert inspect_image(path).is_grey == (channels == 1)
    result = read_image(path, channels)
    np.testing.assert_array_equal(result[:3], shown[:3])
    assert result[3:].min() == 255


def test_palette_is_colour(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(COLOURS).convert("P").save(path)
    assert not inspect_image(path).is_grey
    assert read_image(path, 3).shape == (6, 9, 3)


def test_first_frame_of_an_animation(tmp_path):
    frames = [Image.fromarray(np.full((4, 4), v, np.uint8)) for v in (10, 90)]
    path = tmp_path / "a.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert np.all(read_image(path, 1) == 10)


def test_photograph_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    half = np.zeros((16, 32), np.uint8)
    half[:, 16:] = 255
    path = _save(tmp_path / "a.jpg", half, exif=exif)
    file = inspect_image(path)
    assert (file.height, file.width) == (32, 16)
    expected = np.rot90(half, -1).astype(int)
    result = read_image(path, 1)[..., 0].astype(int)
    np.testing.assert_allclose(result, expected, atol=3)


def test_sixteen_bit_grey_is_rejected(tmp_path):
    path = _save(tmp_path / "a.png", LEVELS.astype(np.uint16) * 257)
    with pytest.raises(UserError, match=r"8 bits.*Received: .*a\.png"):
        inspect_image(path)


def test_sixteen_bit_colour_is_rejected(tmp_path):
    import tensorflow as tf

    path = tmp_path / "a.png"
    path.write_bytes(tf.io.encode_png(COLOURS.astype(np.uint16)).numpy())
    with pytest.raises(UserError, match="8 bits"):
        inspect_image(path)


@pytest.mark.parametrize(
    "content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n"]
)
def test_file_that_is_no_image_is_named(tmp_path, content):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"cannot be read.*Received: .*a\.png"):
        inspect_image(path)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_truncated_file_is_named(tmp_path, suffix):
    noise = np.random.RandomState(0).randint(0, 256, (64, 64), np.uint8)
    path = _save(tmp_path / f"a.{suffix}", noise)
    path.write_bytes(path.read_bytes()[:-1500])
    inspect_image(path)
    with pytest.raises(UserError, match=r"cannot be read.*Received: .*a\."):
        read_image(path, 1)


@pytest.mark.parametrize("limit", [40, 20])
def test_decompression_bomb_is_an_error(tmp_path, monkeypatch, limit):
    # Above the limit Pillow warns, above twice the limit it raises.
    path = _save(tmp_path / "a.png", LEVELS)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(UserError, match=f"more than {limit} pixels"):
        inspect_image(path)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
