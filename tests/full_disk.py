"""A disk that is full, as far as this process can tell."""

import contextlib
import resource
from collections.abc import Iterator

__all__ = ["full_disk"]


@contextlib.contextmanager
def full_disk(num_bytes: int = 4096) -> Iterator[None]:
    """Keeps files from growing beyond `num_bytes` (EFBIG, without root)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
