"""Checks the chunks of a PNG file that say what its pixels' colours are.

What breaks their specification decoders take in several ways, so it is
refused. `keras_vae.serving.image_bytes` does the same in a TensorFlow graph.

References:
    W3C, Portable Network Graphics (PNG) Specification, third edition, sections
    5.6 (the order of chunks), 11.2.2 (PLTE) and 11.3.1.1 (tRNS).
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO

__all__ = ["MAX_CHUNKS", "check_colours"]

# No file of a picture has as many.
MAX_CHUNKS = 4096
_PALETTE = 3  # The type of colours that are looked up.
# Numbers that make the transparent colour, of grey levels and of RGB.
_SAMPLES = {0: 1, 2: 3}


def check_colours(stream: BinaryIO) -> None:
    """Raises ValueError if a PNG has a wrong `PLTE` or `tRNS` chunk.

    Each may come once and before the pixels, `tRNS` after `PLTE`; a palette
    must be there if the pixels want one; what is transparent must be one of
    the colours.

    Args:
        stream: The file; it is put back to where it was.
    """
    start = stream.tell()
    stream.seek(24)
    depth, colour_type = stream.read(2)
    seen: set[bytes] = set()
    colours = 0
    for name, length in _chunks(stream):
        known = name in (b"PLTE", b"tRNS")
        if known and seen & {name, b"tRNS", b"IDAT"}:
            raise _broken(name)
        if name == b"PLTE":
            colours = min(length // 3, 2**depth)
        if name == b"tRNS" and not _is_colour(
            stream.read(min(length, 256)), length, depth, colour_type, colours
        ):
            raise _broken(name)
        if name == b"IDAT" and colour_type == _PALETTE and not colours:
            raise _broken(b"PLTE")
        seen.add(name)
    stream.seek(start)


def _broken(name: bytes) -> ValueError:
    return ValueError(f"its {name.decode()} breaks the PNG specification")


def _is_colour(
    content: bytes, length: int, depth: int, colour_type: int, colours: int
) -> bool:
    """Whether the content of `tRNS` names colours that there can be."""
    if colour_type == _PALETTE:
        return 0 < length <= colours
    count = _SAMPLES.get(colour_type, 0)
    if not count or length != 2 * count or len(content) != length:
        return False
    return max(struct.unpack(f">{count}H", content)) < 2**depth


def _chunks(stream: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yields name and length of each chunk; `stream` is at its content."""
    position = 8
    for _ in range(MAX_CHUNKS):
        stream.seek(position)
        head = stream.read(8)
        if len(head) < 8 or head[4:] == b"IEND":
            return
        length = int.from_bytes(head[:4], "big")
        yield head[4:], length
        position += 12 + length
    raise ValueError(f"it has more than {MAX_CHUNKS:,} chunks")
