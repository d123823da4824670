"""Files decoded in a graph have the pixels of those that training reads."""

import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_vae.data import inspect_image, read_image
from keras_vae.errors import UserError
from keras_vae.serving.image_bytes import decode_image_file

_RANDOM = np.random.default_rng(0)
_COLOURS = _RANDOM.integers(0, 256, [19, 23, 4], dtype=np.uint8)
_HEIGHT, _WIDTH = 9, 11
# Columns and rows of a PNG that is interlaced: first and step of each pass.
_PASSES = (
    (0, 0, 8, 8),
    (0, 4, 8, 8),
    (4, 0, 8, 4),
    (0, 2, 4, 4),
    (2, 0, 4, 2),
    (0, 1, 2, 2),
    (1, 0, 2, 1),
)
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def _chunk(name, content):
    check = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + check


def _png(colour_type, depth, *, interlaced=False, extra=(), after=()):
    """Returns a PNG of random pixels, 9x11, of any kind there is."""
    header = struct.pack(
        ">IIBBBBB", _WIDTH, _HEIGHT, depth, colour_type, 0, 0, interlaced
    )
    rows = b""
    for top, left, down, right in _PASSES if interlaced else ((0, 0, 1, 1),):
        width = len(range(left, _WIDTH, right))
        size = (width * _CHANNELS[colour_type] * depth + 7) // 8
        for _ in range(top, _HEIGHT, down) if width else ():
            rows += b"\0" + _RANDOM.bytes(size)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", header),
            *(_chunk(name, content) for name, content in extra),
            _chunk(b"IDAT", zlib.compress(rows)),
            *(_chunk(name, content) for name, content in after),
            _chunk(b"IEND", b""),
        ]
    )


def _encoded(mode, kind, **options):
    file = io.BytesIO()
    image = Image.fromarray(_COLOURS).convert(mode)
    image.save(file, kind, **options)
    return file.getvalue()


def _exif(orientation, endian="<"):
    exif = Image.Exif()
    exif.endian = endian
    exif[0x0110] = "a telephone"
    exif[0x0112] = orientation
    exif[0x8769] = {0x9003: "2020:01:01 00:00:00"}
    return exif.tobytes()


_DECODERS: dict = {}


def _decoded(data, shape):
    """Decodes in a graph, as a signature does."""
    if shape not in _DECODERS:
        _DECODERS[shape] = tf.function(
            lambda files: tf.map_fn(
                lambda file: decode_image_file(file, shape),
                files,
                fn_output_signature=tf.uint8,
            ),
            input_signature=[tf.TensorSpec([None], tf.string)],
        )
    return _DECODERS[shape](tf.constant([data]))[0].numpy()


def _check(data):
    header = inspect_image(data)
    for channels in (1, 3):
        shape = (header.height, header.width, channels)
        expected = read_image(data, channels)
        np.testing.assert_array_equal(_decoded(data, shape), expected)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("transparent", [False, True])
@pytest.mark.parametrize(
    ("colour_type", "depth"),
    [
        *((kind, depth) for kind in (0, 3) for depth in (1, 2, 4, 8)),
        (2, 8),
        (4, 8),
        (6, 8),
    ],
)
def test_png_of_every_kind(colour_type, depth, transparent, interlaced):
    extra = []
    if colour_type == 3:
        extra.append((b"PLTE", _RANDOM.bytes(3 * 2**depth)))
    if transparent and colour_type in (0, 2, 3):
        colours = {0: (0, 1), 2: (0, 1, 0, 2, 0, 3), 3: range(2**depth)}
        extra.append((b"tRNS", bytes(colours[colour_type])))
    if transparent and colour_type in (4, 6):
        # A colour of the background is not what transparency is laid on.
        extra.append((b"bKGD", bytes(2 if colour_type == 4 else 6)))
    _check(_png(colour_type, depth, interlaced=interlaced, extra=extra))


def test_png_with_gamma_and_an_animation_is_its_first_levels():
    _check(_png(2, 8, extra=[(b"gAMA", struct.pack(">I", 200000))]))
    frames = [Image.fromarray(255 - _COLOURS)]
    _check(_encoded("RGBA", "PNG", save_all=True, append_images=frames))


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0", "4:1:1"])
@pytest.mark.parametrize("quality", [30, 95])
def test_jpeg_of_every_kind(quality, subsampling, progressive):
    _check(
        _encoded(
            "RGB",
            "JPEG",
            quality=quality,
            subsampling=subsampling,
            progressive=progressive,
        )
    )


def test_jpeg_of_grey_levels_of_rgb_and_with_long_profiles():
    _check(_encoded("L", "JPEG"))
    _check(_encoded("RGB", "JPEG", keep_rgb=True))
    _check(_encoded("RGB", "JPEG", icc_profile=bytes(200_000)))
    data = _encoded("RGB", "JPEG")
    _check(data[:2] + b"\xff\xff\xff" + data[2:])


def test_jpeg_of_inks():
    _check(_encoded("CMYK", "JPEG"))
    for quality in (50, 100):
        file = io.BytesIO()
        image = Image.frombytes("CMYK", (23, 19), _COLOURS.tobytes())
        image.save(file, "JPEG", quality=quality)
        _check(file.getvalue())


@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize("orientation", range(10))
def test_orientation(orientation, endian):
    exif = _exif(orientation, endian)
    _check(_encoded("RGB", "JPEG", exif=exif))
    _check(_encoded("RGBA", "PNG", exif=exif))
    more = [Image.fromarray(_COLOURS).convert("RGB")]
    _check(_encoded("RGB", "MPO", exif=exif, save_all=True, append_images=more))


def test_orientation_of_other_metadata_is_none():
    xmp = b'<x tiff:Orientation="6"/>'
    _check(_encoded("RGB", "JPEG", xmp=xmp))
    _check(_encoded("RGB", "JPEG", exif=Image.Exif().tobytes()))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        *((_png(kind, 16), "more than 8 bits") for kind in (0, 2, 4, 6)),
        (_encoded("RGB", "GIF"), "a PNG or JPEG file is needed"),
        (_encoded("RGB", "WEBP"), "a PNG or JPEG file is needed"),
        (b"", "a PNG or JPEG file is needed"),
        (b"\x89PNG\r\n\x1a\n", r"\[0,0,0\]"),
        (_png(2, 8)[:-30], "PNG"),
        (b"\xff\xd8\xff", "damaged before its pixels"),
        (_encoded("RGB", "JPEG")[:300], "damaged before its pixels"),
        (_encoded("RGB", "JPEG", exif=b"Exif\0\0garbage"), "EXIF"),
        (_encoded("RGB", "JPEG", exif=_exif(6)[:30]), "EXIF"),
        # Many empty segments: the search ends.
        (b"\xff\xd8" + b"\xff\xe0\0\2" * 100_000, "JPEG"),
        (b"\xff\xd8" + b"\xff" * 1_000_000, "JPEG"),
    ],
)
def test_what_cannot_be_decoded_alike_is_refused_in_words(data, message):
    shapes = ((_HEIGHT, _WIDTH, 1), (19, 23, 3))
    shape = shapes[data[16:24] != struct.pack(">II", _WIDTH, _HEIGHT)]
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        _decoded(data, shape)


_PLTE = (b"PLTE", bytes(range(24)))


@pytest.mark.parametrize(
    ("colour_type", "depth", "extra", "after"),
    [
        (0, 8, [], [(b"tRNS", bytes(2))]),
        (2, 8, [], [(b"tRNS", bytes(6))]),
        (3, 8, [_PLTE], [(b"tRNS", bytes(3))]),
        (0, 8, [(b"tRNS", bytes(2)), (b"tRNS", bytes(2))], []),
        (3, 8, [(b"tRNS", bytes(3)), _PLTE], []),
        (2, 8, [(b"tRNS", bytes(6)), _PLTE], []),
        *((0, 8, [(b"tRNS", bytes(size))], []) for size in (0, 1, 3, 6, 256)),
        (2, 8, [(b"tRNS", bytes(2))], []),
        (0, 4, [(b"tRNS", b"\0\x10")], []),
        (0, 8, [(b"tRNS", b"\1\0")], []),
        (2, 8, [(b"tRNS", b"\0\0\0\0\1\0")], []),
        (3, 8, [_PLTE, (b"tRNS", bytes(9))], []),
        (3, 8, [_PLTE, (b"tRNS", b"")], []),
        (3, 1, [_PLTE, (b"tRNS", bytes(3))], []),
        (3, 8, [], []),
        (3, 8, [_PLTE, _PLTE], []),
        (3, 8, [(b"PLTE", b"")], []),
        (4, 8, [(b"tRNS", bytes(2))], []),
        (6, 8, [(b"tRNS", bytes(6))], []),
        (0, 8, [(b"teXt", b"")] * 5000, []),
    ],
)
def test_png_that_breaks_its_specification_is_refused_by_both(
    colour_type, depth, extra, after
):
    data = _png(colour_type, depth, extra=extra, after=after)
    words = "(PLTE|tRNS) breaks|Truncated tRNS|more than 4,096 chunks"
    for channels in (1, 3):
        with pytest.raises(UserError, match=words):
            read_image(data, channels)
        with pytest.raises(tf.errors.InvalidArgumentError, match="breaks the"):
            _decoded(data, (_HEIGHT, _WIDTH, channels))


def test_transparent_palette_in_many_pieces_of_pixels():
    extra = [_PLTE, (b"tRNS", bytes(range(0, 240, 30)))]
    data = _png(3, 2, extra=[_PLTE, (b"tRNS", bytes(4))])
    _check(data)
    pixels = data.index(b"IDAT")
    size = int.from_bytes(data[pixels - 4 : pixels], "big")
    content = data[pixels + 4 : pixels + 4 + size]
    pieces = [_chunk(b"IDAT", content[i : i + 1]) for i in range(len(content))]
    _check(data[: pixels - 4] + b"".join(pieces) + _chunk(b"IEND", b""))
    _check(_png(3, 8, extra=extra, after=[(b"tEXt", b"a\0b")]))


def test_jpeg_that_is_cut_is_refused_by_both():
    data = _encoded("RGB", "JPEG")
    for size in range(data.index(b"\xff\xda") + 12, len(data) - 40, 97):
        with pytest.raises(UserError):
            read_image(data[:size], 3)
        with pytest.raises(tf.errors.InvalidArgumentError):
            _decoded(data[:size], (19, 23, 3))


def test_another_size_is_refused_before_anything_is_decoded():
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"\[19,23,0\]"):
        _decoded(_encoded("RGB", "PNG"), (23, 19, 3))
    sideways = _encoded("RGB", "JPEG", exif=_exif(6))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"\[23,19,0\]"):
        _decoded(sideways, (19, 23, 3))


def test_of_several_exif_blocks_the_first_counts():
    data = _encoded("RGB", "JPEG", exif=_exif(6))
    block = _exif(3)
    size = struct.pack(">H", 2 + len(block))
    first = data.index(b"\xff\xe1")
    end = first + 2 + int.from_bytes(data[first + 2 : first + 4], "big")
    _check(data[:end] + b"\xff\xe1" + size + block + data[end:])


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
