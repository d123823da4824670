"""What may become of a JSON file: other types, damage, other hands."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["mutations"]

# Of each type, and of each size, that JSON has.
_VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    3,
    2**31,
    2**63,
    -(2**63) - 1,
    10**400,
    0.5,
    -1e308,
    float("nan"),
    float("inf"),
    "",
    "x",
    "\ud800",
    "a\x00b",
    "gs://bucket",
    [],
    [1],
    [1, 2, 3],
    [1, 2, 3, 4],
    ["a"],
    [[]],
    [None, {}, 0.5],
    {},
    {"x": {"y": []}},
)


def mutations(
    content: dict[str, Any], num_damaged: int = 150
) -> Iterator[tuple[str, bytes]]:
    """Yields names of mutations, and the files that they make.

    Args:
        content: Of the whole file.
        num_damaged: Of files with random damage, under a fixed seed.
    """
    for path in _paths(content):
        name = ".".join(map(str, path)) or "all"
        for value in _VALUES:
            changed = _replaced(content, path, value)
            yield f"{name}={value!r:.20}", json.dumps(changed).encode()
        if path and isinstance(path[-1], str):
            yield (
                f"without {name}",
                json.dumps(_without(content, path)).encode(),
            )
        yield f"more in {name}", json.dumps(_more(content, path)).encode()
    yield from _damaged(json.dumps(content, indent=2).encode(), num_damaged)


def _damaged(text: bytes, num: int) -> Iterator[tuple[str, bytes]]:
    yield "empty", b""
    yield "mark of the byte order", b"\xef\xbb\xbf" + text
    yield "UTF-16", text.decode().encode("utf-16")
    yield "no UTF-8", b'{"data": "\xff\xfe"}'
    yield "zeros", bytes(len(text))
    yield "deep lists", b"[" * 100_000 + b"]" * 100_000
    yield "deep objects", b'{"data":' * 100_000 + b"1" + b"}" * 100_000
    yield "many digits", b'{"data": ' + b"9" * 5000 + b"}"
    yield "twice", b'{"data": {}, ' + text.strip()[1:]
    random = np.random.default_rng(0)
    for number in range(num):
        damaged = bytearray(text)
        position = int(random.integers(len(text)))
        if number % 3 == 0:
            damaged = damaged[:position]
        elif number % 3 == 1:
            damaged[position] = int(random.integers(256))
        else:
            damaged[position : position + 1] = random.bytes(8)
        yield f"damage {number}", bytes(damaged)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value[:1])
    for key, entry in items:
        yield from _paths(entry, (*path, key))


def _replaced(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(content)
    parent = changed
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    return changed


def _without(content: Any, path: tuple[Any, ...]) -> Any:
    changed = copy.deepcopy(content)
    parent = changed
    for key in path[:-1]:
        parent = parent[key]
    del parent[path[-1]]
    return changed


def _more(content: Any, path: tuple[Any, ...]) -> Any:
    value = content
    for key in path:
        value = value[key]
    if isinstance(value, dict):
        return _replaced(content, path, {**value, "unknown": 1})
    if isinstance(value, list):
        return _replaced(content, path, [*value, "unknown"])
    return _replaced(content, path, [value])
