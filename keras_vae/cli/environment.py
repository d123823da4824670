"""What TensorFlow is told before it is imported."""

import os
import platform

__all__ = ["prepare"]


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
