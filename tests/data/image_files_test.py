"""Tests of reading image files."""

import io
import os
import struct
import subprocess
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from keras_vae.data.image_files import (
    inspect_image,
    inspect_images,
    read_image,
)
from keras_vae.errors import UserError

LEVELS = np.random.RandomState(0).randint(0, 256, (6, 9), np.uint8)
COLOURS = np.random.RandomState(1).randint(0, 256, (6, 9, 3), np.uint8)


def _save(path, array, **kwargs):
    Image.fromarray(array).save(path, **kwargs)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "gif", "tif"])
def test_grey_files_are_read_exactly(tmp_path, suffix):
    path = _save(tmp_path / f"a.{suffix}", LEVELS)
    file = inspect_image(path)
    assert (file.height, file.width) == (6, 9)
    np.testing.assert_array_equal(read_image(path, 1)[..., 0], LEVELS)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "webp"])
def test_colour_files_are_read_exactly(tmp_path, suffix):
    options = {"lossless": True} if suffix == "webp" else {}
    path = _save(tmp_path / f"a.{suffix}", COLOURS, **options)
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


# Orientation -> what turns an upright array into the stored one.
_STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "MPO", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", _STORED)
def test_orientation_is_applied_whatever_the_format(
    tmp_path, kind, orientation
):
    # A grey for each quarter, in blocks that JPEG keeps.
    quarters = np.array([[10, 90], [170, 250]], np.uint8)
    upright = np.kron(quarters, np.ones([16, 32], np.uint8))
    upright = np.repeat(upright[..., None], 3, axis=-1)
    stored = Image.fromarray(
        np.ascontiguousarray(_STORED[orientation](upright))
    )
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"exif": exif.tobytes()}
    if kind == "TIFF":
        options = {"tiffinfo": {0x0112: orientation}}
    elif kind == "MPO":
        options |= {"save_all": True, "append_images": [stored]}
    path = tmp_path / "photo"
    stored.save(path, kind, **options)
    file = inspect_image(path)
    assert (file.height, file.width) == (32, 64)
    assert file.format == ("JPEG" if kind == "MPO" else kind)
    found = read_image(path, 3).astype(int)
    np.testing.assert_allclose(found, upright, atol=4)


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0garbage", b"Exif\0\0", b"II*\0\xff"]
)
def test_damaged_exif_turns_nothing_and_prints_nothing(tmp_path, exif, capfd):
    path = _save(tmp_path / "a.jpg", COLOURS, exif=exif)
    assert read_image(path, 3).shape == (6, 9, 3)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("suffix", ["png", "webp", "gif", "tiff"])
@pytest.mark.parametrize("channels", [1, 3])
def test_transparency_is_laid_on_white_in_every_format(
    tmp_path, suffix, channels
):
    rgba = np.zeros([8, 8, 4], np.uint8)
    rgba[:4] = (0, 0, 0, 255)
    options = {"lossless": True} if suffix == "webp" else {}
    path = _save(tmp_path / f"a.{suffix}", rgba, **options)
    result = read_image(path, channels)
    assert result[:4].max() == 0
    assert result[4:].min() == 255


@pytest.mark.parametrize("alpha", [1, 77, 128, 254])
def test_half_transparent_pixels_are_mixed_with_white(tmp_path, alpha):
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    pixels = np.stack([levels, np.full_like(levels, alpha)], axis=-1)
    found = read_image(_save(tmp_path / "a.png", pixels), 1)[..., 0]
    mixed = (levels * float(alpha) + 255.0 * (255 - alpha)) / 255
    np.testing.assert_allclose(found, mixed, atol=0.5 + 1e-9)


def _grey_png(depth, levels, transparent):
    """Returns a PNG of one row whose level `transparent` is transparent."""
    bits = "".join(f"{level:0{depth}b}" for level in levels)
    row = int(bits, 2).to_bytes(len(bits) // 8, "big")
    header = struct.pack(">IIBBBBB", len(levels), 1, depth, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n"
    for name, content in (
        (b"IHDR", header),
        (b"tRNS", struct.pack(">H", transparent)),
        (b"IDAT", zlib.compress(b"\0" + row)),
        (b"IEND", b""),
    ):
        check = struct.pack(">I", zlib.crc32(name + content))
        data += struct.pack(">I", len(content)) + name + content + check
    return data


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_transparent_level_of_few_bits_is_white(depth):
    top = 2**depth - 1
    levels = [i % (top + 1) for i in range(16)]
    transparent = top // 2
    found = read_image(_grey_png(depth, levels, transparent), 1)[0, :, 0]
    expected = [255 if v == transparent else v * 255 // top for v in levels]
    assert found.tolist() == expected


@pytest.mark.parametrize(
    ("suffix", "mode", "options"),
    [
        ("png", "I;16", {}),
        ("tiff", "I;16", {}),
        ("tiff", "I", {}),
        ("tiff", "F", {}),
    ],
)
def test_more_than_8_bits_are_refused_by_both_functions(
    tmp_path, suffix, mode, options
):
    path = tmp_path / f"a.{suffix}"
    Image.new(mode, (4, 3)).save(path, **options)
    for read in (inspect_image, lambda p: read_image(p, 1)):
        with pytest.raises(UserError, match=r"8 bits.*Received: .*a\."):
            read(path)


def test_16_bit_colour_tiff_is_refused():
    # Three samples of 16 bits, which Pillow would cut to 8.
    entries = [
        (256, 3, 1, 1),
        (257, 3, 1, 1),
        (258, 3, 3, 134),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, 1, 140),
        (277, 3, 1, 3),
        (278, 3, 1, 1),
        (279, 4, 1, 6),
        (284, 3, 1, 1),
    ]
    data = b"II*\0" + struct.pack("<IH", 8, len(entries))
    data += b"".join(struct.pack("<HHII", *entry) for entry in entries)
    data += struct.pack("<I", 0)
    assert len(data) == 134
    data += struct.pack("<HHH", 16, 16, 16) + struct.pack("<HHH", 1, 2, 3)
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "RGB"
    with pytest.raises(UserError, match=r"8 bits.*Received: its bytes"):
        read_image(data, 3)


def test_other_colour_spaces_are_refused(tmp_path):
    path = tmp_path / "a.tiff"
    Image.new("LAB", (4, 3)).save(path)
    with pytest.raises(
        UserError, match=r"LAB; convert it.*Received: .*a\.tiff"
    ):
        inspect_image(path)


def test_cmyk_is_read_as_colour(tmp_path):
    path = tmp_path / "a.jpg"
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(path, quality=100)
    assert not inspect_image(path).is_grey
    found = read_image(path, 3).astype(int)
    np.testing.assert_allclose(found, np.full([8, 8, 3], (255, 0, 0)), atol=3)


_EPS = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 8 8
%%EndComments
showpage
%%EOF
"""


@pytest.mark.parametrize("name", ["a.png", "a.eps", "a.jpg"])
def test_programs_are_never_run(tmp_path, monkeypatch, name):
    def run(*args, **kwargs):
        raise AssertionError(f"a program was run: {args}")

    for function in ("Popen", "run", "check_call", "check_output"):
        monkeypatch.setattr(subprocess, function, run)
    path = tmp_path / name
    path.write_bytes(_EPS)
    for read in (inspect_image, lambda p: read_image(p, 3)):
        with pytest.raises(UserError, match=r"not a PNG.*Received: .*a\."):
            read(path)


@pytest.mark.parametrize(
    "kind", ["DDS", "PPM", "PCX", "TGA", "ICO", "JPEG2000"]
)
def test_other_formats_are_not_opened_whatever_their_name(tmp_path, kind):
    path = tmp_path / "a.png"
    Image.fromarray(COLOURS).save(path, kind)
    with pytest.raises(UserError, match=r"not a PNG.*Received: .*a\.png"):
        inspect_image(path)


def test_dds_of_an_unknown_kind_is_an_error_of_a_line(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"DDS " + struct.pack("<I", 124) + b"\xff" * 120)
    with pytest.raises(UserError) as caught:
        inspect_image(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("make", ["mkfifo", "mkdir", "device"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, make):
    path = tmp_path / "a.png"
    if make == "device":
        path.symlink_to("/dev/zero")
    else:
        getattr(os, make)(path)
    with pytest.raises(UserError, match=r"regular file.*Received: .*a\.png"):
        inspect_image(path)


@pytest.mark.parametrize("chunk", [b"iCCP", b"zTXt", b"iTXt"])
def test_compressed_metadata_that_grows_is_an_error(tmp_path, chunk):
    path = _save(tmp_path / "a.png", LEVELS)
    data = path.read_bytes()
    start = {b"iCCP": b"x\0\0", b"zTXt": b"x\0\0", b"iTXt": b"x\0\1\0\0\0"}
    content = chunk + start[chunk] + zlib.compress(bytes(70_000_000), 9)
    size = struct.pack(">I", len(content) - 4)
    check = struct.pack(">I", zlib.crc32(content))
    path.write_bytes(data[:33] + size + content + check + data[33:])
    with pytest.raises(UserError, match=r"cannot be read.*Received: .*a\.png"):
        inspect_image(path)


def test_file_is_named_in_one_line_whatever_its_name(tmp_path):
    path = tmp_path / os.fsdecode(b"a\n\xff.png")
    path.write_bytes(b"no image")
    with pytest.raises(UserError, match=r"Received: .*a\\n\\udcff\.png$"):
        inspect_image(path)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tiff"])
def test_first_frame_is_read_and_said(tmp_path, suffix, capsys):
    frames = [
        Image.fromarray(np.full((8, 8, 3), v, np.uint8)) for v in (10, 90)
    ]
    options = {"lossless": True} if suffix == "webp" else {}
    path = tmp_path / f"a.{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:], **options)
    plain = _save(tmp_path / f"plain.{suffix}", np.zeros([8, 8], np.uint8))
    inspect_images([plain, path])
    message = capsys.readouterr().err
    assert message.startswith("note: 1 file is an animation or has")
    assert f"a.{suffix}" in message and "plain" not in message
    assert np.all(read_image(path, 3) == 10)


@pytest.mark.parametrize(
    "kind",
    [
        AssertionError,
        AttributeError,
        KeyError,
        NotImplementedError,
        OverflowError,
        RecursionError,
        TypeError,
        ZeroDivisionError,
        zlib.error,
    ],
)
def test_whatever_a_reader_raises_is_an_error_of_a_line(
    tmp_path, monkeypatch, kind
):
    path = _save(tmp_path / "a.png", COLOURS)

    def load(image):
        raise kind("broken")

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", load)
    with pytest.raises(UserError, match=r"cannot be read as an image.*a\.png$"):
        read_image(path, 3)


def test_palette_that_is_missing_is_an_error_of_a_line(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(COLOURS).convert("P").save(path)
    data = path.read_bytes()
    start = data.index(b"PLTE") - 4
    size = 12 + int.from_bytes(data[start : start + 4], "big")
    path.write_bytes(data[:start] + data[start + size :])
    for call in (inspect_image, lambda path: read_image(path, 3)):
        with pytest.raises(UserError, match=r"its PLTE breaks the PNG.*a\.png"):
            call(path)


def test_content_is_read_as_the_file_is(tmp_path):
    path = _save(tmp_path / "a.png", COLOURS)
    data = path.read_bytes()
    assert inspect_image(data).path is None
    np.testing.assert_array_equal(read_image(data, 3), read_image(path, 3))


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
