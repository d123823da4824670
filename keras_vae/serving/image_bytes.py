"""Decodes PNG and JPEG files in a graph, to the pixels that training sees.

`keras_vae.data.read_image` says what the pixels of a file are: transparent
parts are laid on white, the image is turned as its EXIF orientation says, and
grey levels are 0.299 R + 0.587 G + 0.114 B. Here the same comes from ordinary
TensorFlow operations, which a server has too; a file for which it would not
is refused. An assertion with words of ours is lost when TensorFlow optimizes a
loaded graph, so that what refuses a file is an operation that fails on it.
"""

from typing import NamedTuple

import tensorflow as tf

from keras_vae.data.png_chunks import MAX_CHUNKS

__all__ = ["decode_image_file"]

_PALETTE = 3  # The colour type of a PNG whose colours are looked up.
_ORIENTATION_TAG = 0x0112
_SHORT = 3
# Pillow's of R, G and B, in parts of 2**16.
_GREY_WEIGHTS = (19595, 38470, 7471)


def decode_image_file(
    data: tf.Tensor, image_shape: tuple[int, int, int]
) -> tf.Tensor:
    """Returns the pixels of a PNG or JPEG file, uint8 `image_shape`.

    Args:
        data: Its content, a scalar string.
        image_shape: (height, width, channels) that it must have; its header
            is read before anything is decoded, since a file of a kilobyte may
            declare gigabytes of pixels.

    Raises:
        tf.errors.InvalidArgumentError: When it runs, if the file is none, has
            another size, or is one that cannot be treated as in training.
    """
    is_png = tf.equal(_cut(data, 0, 4), b"\x89PNG")
    is_jpeg = tf.equal(_cut(data, 0, 3), b"\xff\xd8\xff")
    data = _refuse(data, ~(is_png | is_jpeg), "a PNG or JPEG file is needed")
    pixels = tf.cond(
        is_png,
        lambda: _decode_png(data, image_shape),
        lambda: _decode_jpeg(data, image_shape),
    )
    if image_shape[-1] == 1:
        pixels = tf.reduce_sum(pixels * _GREY_WEIGHTS, axis=-1, keepdims=True)
        pixels = (pixels + 2**15) // 2**16
    # The error names both shapes.
    return tf.ensure_shape(tf.cast(pixels, tf.uint8), image_shape)


def _decode_png(data: tf.Tensor, shape: tuple[int, int, int]) -> tf.Tensor:
    """Returns int32 `[height, width, 3]`."""
    exif, has_transparency, broken = _png_chunks(data)
    data = _refuse(
        data, broken, "its PLTE or tRNS breaks the PNG specification"
    )
    orientation = _orientation(data, exif)
    size = tf.stack([_number(data, 20, 4), _number(data, 16, 4)])
    data = _of_size(data, size, orientation, shape)
    data = _refuse(
        data,
        _number(data, 24, 1) > 8,
        "the PNG file has more than 8 bits a channel",
    )
    has_alpha = _number(data, 25, 1) & 4 > 0  # Of its colour type.

    def on_white() -> tf.Tensor:
        pixels = tf.cast(tf.io.decode_png(data, channels=4), tf.int32)
        colours, alpha = pixels[..., :3], pixels[..., 3:]
        return (colours * alpha + 255 * (255 - alpha) + 127) // 255

    # Not with four channels: TensorFlow's alpha is wrong below 8 bits.
    pixels = tf.cond(
        has_alpha | has_transparency,
        on_white,
        lambda: tf.cast(tf.io.decode_png(data, channels=3), tf.int32),
    )
    return _turned(pixels, orientation)


def _decode_jpeg(data: tf.Tensor, shape: tuple[int, int, int]) -> tf.Tensor:
    """Returns int32 `[height, width, 3]`."""
    orientation = _orientation(data, _jpeg_exif(data))
    with tf.control_dependencies([orientation]):  # Which may refuse the file.
        header = tf.cast(tf.io.extract_jpeg_shape(data), tf.int64)
    data = _of_size(data, header[:2], orientation, shape)
    # The transform of libjpeg and Pillow; the default is a quicker one.
    pixels = tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")
    return _turned(tf.cast(pixels, tf.int32), orientation)


class _Chunks(NamedTuple):
    """What the chunks of a PNG up to a position say, each a scalar.

    Attributes:
        position: Where the next one begins, int64.
        exif: Where the EXIF block begins, int64; 0 if there is none.
        colours: Entries of the palette, int64; -1 if there is none.
        has_transparency: Whether there is a `tRNS`.
        has_pixels: Whether there is an `IDAT`.
        broken: Whether one breaks the specification.
    """

    position: tf.Tensor
    exif: tf.Tensor
    colours: tf.Tensor
    has_transparency: tf.Tensor
    has_pixels: tf.Tensor
    broken: tf.Tensor


def _png_chunks(data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Reads the chunks as `keras_vae.data.png_chunks` checks them.

    Returns:
        Where the EXIF block before the pixels begins, int64, 0 if there is
        none; whether colours are transparent; whether a chunk that says which
        breaks the specification, or there are too many.
    """

    def goes_on(*state: tf.Tensor) -> tf.Tensor:
        position = _Chunks(*state).position
        is_end = tf.equal(_cut(data, position + 4, 4), b"IEND")
        return (position + 8 <= _length(data)) & ~is_end

    no = tf.constant(False)
    found = _Chunks(
        *tf.while_loop(
            goes_on,
            lambda *state: _next_chunk(data, _Chunks(*state)),
            _Chunks(_int64(8), _int64(0), _int64(-1), no, no, no),
            maximum_iterations=MAX_CHUNKS,
        )
    )
    broken = found.broken | goes_on(*found)
    return found.exif, found.has_transparency, broken


def _next_chunk(data: tf.Tensor, before: _Chunks) -> _Chunks:
    position, exif, colours, has_transparency, has_pixels, broken = before
    kind, content = _cut(data, position + 4, 4), position + 8
    length = _number(data, position, 4)
    depth = tf.minimum(_number(data, 24, 1), 16)
    colour_type = _number(data, 25, 1)
    is_palette = tf.equal(kind, b"PLTE")
    is_transparency = tf.equal(kind, b"tRNS")
    is_pixels = tf.equal(kind, b"IDAT")
    late = has_pixels | has_transparency
    broken |= is_palette & (late | (colours >= 0))
    broken |= is_transparency & (
        late | ~_is_colour(data, content, length, depth, colour_type, colours)
    )
    broken |= is_pixels & (colour_type == _PALETTE) & (colours <= 0)
    is_exif = tf.equal(kind, b"eXIf") & ~has_pixels
    entries = tf.minimum(length // 3, tf.bitwise.left_shift(_int64(1), depth))
    return _Chunks(
        position + 12 + length,
        tf.where(is_exif, content, exif),
        tf.where(is_palette, entries, colours),
        has_transparency | is_transparency,
        has_pixels | is_pixels,
        broken,
    )


def _is_colour(
    data: tf.Tensor,
    content: tf.Tensor,
    length: tf.Tensor,
    depth: tf.Tensor,
    colour_type: tf.Tensor,
    colours: tf.Tensor,
) -> tf.Tensor:
    """Whether the content of a `tRNS` names colours that there can be."""
    samples = [_number(data, content + offset, 2) for offset in (0, 2, 4)]
    limit = tf.bitwise.left_shift(_int64(1), depth)
    is_grey = (colour_type == 0) & (length == 2) & (samples[0] < limit)
    largest = tf.reduce_max(tf.stack(samples))
    is_rgb = (colour_type == 2) & (length == 6) & (largest < limit)
    is_entry = (colour_type == _PALETTE) & (length > 0) & (length <= colours)
    return is_grey | is_rgb | is_entry


def _jpeg_exif(data: tf.Tensor) -> tf.Tensor:
    """Returns where the EXIF block begins, int64; 0 if there is none."""

    def is_segment(position: tf.Tensor) -> tf.Tensor:
        return (position + 4 <= _length(data)) & tf.equal(
            _cut(data, position, 1), b"\xff"
        )

    def goes_on(position: tf.Tensor, *_: tf.Tensor) -> tf.Tensor:
        pixels = tf.equal(_cut(data, position, 2), b"\xff\xda")
        return is_segment(position) & ~pixels

    def step(position: tf.Tensor, exif: tf.Tensor) -> tuple[tf.Tensor, ...]:
        found = tf.equal(_cut(data, position, 2), b"\xff\xe1")
        found &= tf.equal(_cut(data, position + 4, 6), b"Exif\0\0")
        # A marker may come after bytes that fill up.
        fills = tf.equal(_cut(data, position, 2), b"\xff\xff")
        size = 2 + _number(data, position + 2, 2)
        return (
            position + tf.where(fills, _int64(1), size),
            tf.where(found & (exif == 0), position + 10, exif),
        )

    position, exif = tf.while_loop(
        goes_on,
        step,
        (_int64(2), _int64(0)),
        maximum_iterations=MAX_CHUNKS,
    )
    damaged = ~is_segment(position)
    return _refuse(exif, damaged, "the JPEG file is damaged before its pixels")


def _orientation(data: tf.Tensor, exif: tf.Tensor) -> tf.Tensor:
    """Returns the EXIF orientation, int64, 1 ... 8.

    Args:
        data: The file.
        exif: Where its EXIF block begins, 0 if there is none; one that is
            damaged is refused.
    """

    def read() -> tf.Tensor:
        order = _cut(data, exif, 4)
        little = tf.equal(order, b"II*\0")
        readable = little | tf.equal(order, b"MM\0*")
        folder = exif + _number(data, exif + 4, 4, little)
        count = _number(data, folder, 2, little)
        entries = tf.io.decode_raw(_cut(data, folder + 2, 12 * count), tf.uint8)
        readable &= tf.size(entries, tf.int64) == 12 * count
        entries = tf.reshape(entries[: tf.size(entries) // 12 * 12], [-1, 12])
        chosen = tf.boolean_mask(
            entries, _shorts(entries[:, :2], little) == _ORIENTATION_TAG
        )
        usual = (_shorts(chosen[:, 2:4], little) == _SHORT) & (
            tf.shape(chosen)[0] == 1
        )
        readable &= tf.reduce_all(usual)
        value = tf.reduce_sum(_shorts(chosen[:, 8:10], little))
        value = _refuse(value, ~readable, "its EXIF block cannot be read")
        return tf.cast(value, tf.int64)

    found = tf.cond(tf.equal(exif, 0), lambda: _int64(1), read)
    return tf.where((found >= 1) & (found <= 8), found, _int64(1))


def _turned(pixels: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Returns an image turned as its EXIF orientation says."""
    pixels = tf.cond(
        orientation >= 5,
        lambda: tf.transpose(pixels, [1, 0, 2]),
        lambda: pixels,
    )
    for axis, orientations in ((1, (2, 3, 6, 7)), (0, (3, 4, 7, 8))):
        mirrored = tf.reduce_any(tf.equal(orientation, orientations))
        pixels = tf.where(mirrored, tf.reverse(pixels, [axis]), pixels)
    return pixels


def _of_size(
    data: tf.Tensor,
    size: tf.Tensor,
    orientation: tf.Tensor,
    shape: tuple[int, int, int],
) -> tf.Tensor:
    """Returns a file that says that it is shown with the size of `shape`."""
    size = tf.where(orientation >= 5, tf.reverse(size, [0]), size)
    # It holds nothing, whatever the size is; the error names both sizes.
    nothing = tf.zeros(tf.concat([size, [0]], 0), tf.int32)
    nothing = tf.ensure_shape(nothing, [*shape[:2], 0])
    # The file must depend on it, or the check is optimized away.
    start = tf.reduce_sum(nothing)
    return tf.strings.substr(data, start, tf.strings.length(data))


def _refuse(value: tf.Tensor, wrong: tf.Tensor, why: str) -> tf.Tensor:
    """Returns `value`, which depends on nothing being wrong with the file.

    The words of an error are those that are no number.
    """
    zero = tf.strings.to_number(
        tf.where(wrong, tf.constant(f"refused: {why}"), tf.constant("0")),
        tf.int32,
    )
    if value.dtype == tf.string:
        return tf.strings.substr(value, zero, tf.strings.length(value))
    return value + tf.cast(zero, value.dtype)


def _number(
    data: tf.Tensor,
    position: tf.Tensor | int,
    size: int,
    little: tf.Tensor | bool = False,
) -> tf.Tensor:
    """Returns the whole number of `size` bytes, int64; cut off, a smaller."""
    some = tf.io.decode_raw(_cut(data, position, size), tf.uint8)
    digits = tf.cast(some, tf.int64)
    digits = tf.where(little, digits, tf.reverse(digits, [0]))
    places = tf.constant([256**i for i in range(size)], tf.int64)
    return tf.reduce_sum(digits * places[: tf.size(digits)])


def _cut(
    data: tf.Tensor, position: tf.Tensor | int, size: tf.Tensor | int
) -> tf.Tensor:
    """Returns bytes of the file; where it ends before, fewer or none.

    The error of an operation that is asked for more would have the file in its
    message.
    """
    start = tf.minimum(tf.cast(position, tf.int64), _length(data))
    return tf.strings.substr(data, start, tf.cast(size, tf.int64))


def _shorts(pairs: tf.Tensor, little: tf.Tensor) -> tf.Tensor:
    """Returns the whole numbers of uint8 `[num, 2]`, int32 `[num]`."""
    first, second = tf.unstack(tf.cast(pairs, tf.int32), axis=1)
    return tf.where(little, first + 256 * second, 256 * first + second)


def _length(data: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.strings.length(data), tf.int64)


def _int64(value: int) -> tf.Tensor:
    return tf.constant(value, tf.int64)
