"""Tests of the chunks of PNG files; image_bytes_test has whole files."""

import io
import struct

import pytest

from keras_vae.data.png_chunks import MAX_CHUNKS, check_colours

_PLTE = (b"PLTE", bytes(12))
_IDAT = (b"IDAT", b"abc")


def _stream(colour_type, depth, *chunks):
    header = struct.pack(">IIBBBBB", 2, 2, depth, colour_type, 0, 0, 0)
    content = [b"\x89PNG\r\n\x1a\n"]
    for name, data in [(b"IHDR", header), *chunks, (b"IEND", b"")]:
        content.append(struct.pack(">I", len(data)) + name + data + bytes(4))
    stream = io.BytesIO(b"".join(content))
    stream.seek(5)
    return stream


@pytest.mark.parametrize(
    ("colour_type", "depth", "chunks"),
    [
        (0, 8, [_IDAT]),
        (0, 8, [(b"tRNS", b"\0\xff"), _IDAT, _IDAT]),
        (0, 1, [(b"tRNS", b"\0\1"), _IDAT]),
        (2, 8, [(b"tRNS", b"\0\xff" * 3), _IDAT]),
        (2, 8, [_PLTE, (b"tRNS", bytes(6)), _IDAT]),
        (3, 2, [_PLTE, (b"tRNS", bytes(4)), _IDAT, (b"tEXt", b"tRNS")]),
        (3, 8, [_PLTE, (b"gAMA", bytes(4)), (b"tRNS", b"a"), _IDAT]),
        (6, 8, [_PLTE, _IDAT]),
    ],
)
def test_what_the_specification_allows(colour_type, depth, chunks):
    stream = _stream(colour_type, depth, *chunks)
    check_colours(stream)
    assert stream.tell() == 5


@pytest.mark.parametrize(
    ("colour_type", "depth", "chunks", "name"),
    [
        (0, 8, [_IDAT, (b"tRNS", bytes(2))], "tRNS"),
        (0, 8, [(b"tRNS", bytes(3)), _IDAT], "tRNS"),
        (0, 2, [(b"tRNS", b"\0\4"), _IDAT], "tRNS"),
        (3, 2, [_PLTE, (b"tRNS", bytes(5)), _IDAT], "tRNS"),
        (3, 2, [(b"tRNS", b"a"), _PLTE, _IDAT], "tRNS"),
        (3, 2, [_IDAT, _PLTE], "PLTE"),
        (3, 2, [_PLTE, _PLTE, _IDAT], "PLTE"),
        (4, 8, [(b"tRNS", bytes(2)), _IDAT], "tRNS"),
    ],
)
def test_what_it_does_not(colour_type, depth, chunks, name):
    with pytest.raises(ValueError, match=f"its {name} breaks the PNG"):
        check_colours(_stream(colour_type, depth, *chunks))


def test_number_of_chunks_is_bounded():
    check_colours(_stream(0, 8, *[_IDAT] * (MAX_CHUNKS - 2)))
    with pytest.raises(ValueError, match="more than 4,096 chunks"):
        check_colours(_stream(0, 8, *[_IDAT] * MAX_CHUNKS))


def test_file_that_ends_within_a_chunk():
    data = _stream(0, 8, (b"tRNS", bytes(2)), _IDAT).getvalue()
    with pytest.raises(ValueError, match="its tRNS breaks"):
        check_colours(io.BytesIO(data[: data.index(b"tRNS") + 5]))
    check_colours(io.BytesIO(data[:-6]))


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
