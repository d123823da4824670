"""What TensorFlow is told before it is imported, and its quiet import."""

import os
import platform
import sys

__all__ = ["load_tensorflow", "prepare"]


def prepare() -> None:
    """Sets the environment variables that are read when TensorFlow loads.

    Without effect once TensorFlow is imported, and on what the caller's
    environment sets itself.
    """
    # Start-up messages are not for users.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # gRPC tells what it fails at twice: in its log, and to its caller.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # oneDNN's convolutions are TensorFlow's choice where there is AVX-512;
    # they are faster on x86 without it, too (benchmarks/RESULTS.md).
    if platform.machine().lower() in ("x86_64", "amd64"):
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def load_tensorflow() -> None:
    """Imports TensorFlow without the notes it prints before it can be quiet.

    They go to the file descriptor of standard error, whatever the log level.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    silence = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(silence, 2)
        import tensorflow  # noqa: F401
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(silence)
