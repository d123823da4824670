"""Measurements in processes of their own, and the machine they ran on."""

import importlib.metadata
import json
import os
import pathlib
import platform
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = [
    "call",
    "call_worker",
    "head",
    "machine",
    "peak_rss_mb",
    "processor",
    "run_worker",
]

_ROOT = pathlib.Path(__file__).resolve().parent.parent


def call(command: Sequence[str], env: Mapping[str, str] | None = None) -> str:
    """Runs a command from the project's root and returns its output.

    Raises:
        RuntimeError: If it fails, with the end of what it wrote to stderr.
    """
    result = subprocess.run(
        command, cwd=_ROOT, env=env, capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise RuntimeError(
            f"`{' '.join(command)}` failed with {result.returncode}. It "
            f"ended in:\n{result.stderr[-2000:]}"
        )
    return result.stdout


def call_worker(
    command: Sequence[str], env: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Runs a command as `call` does and returns what its last line holds.

    Libraries may print too, before that line of JSON.
    """
    return json.loads(call(command, env).strip().splitlines()[-1])


def run_worker(module: str, case: Mapping[str, Any]) -> dict[str, Any]:
    """Runs `python -m module --worker=CASE`, which prints a line of JSON.

    Args:
        module: Such as `benchmarks.nvae_scaling`.
        case: What is measured; goes through JSON.

    Returns:
        What the last line of the output holds.
    """
    worker = f"--worker={json.dumps(case)}"
    return call_worker([sys.executable, "-m", module, worker])


def head() -> str:
    """Returns the commit of the checkout."""
    return call(["git", "rev-parse", "--short", "HEAD"]).strip()


def processor() -> str:
    """Returns the name of the processor."""
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return "unknown processor"


def machine() -> str:
    """One line: processor, cores and versions."""
    packages = ("tensorflow", "keras")
    versions = [f"{p} {importlib.metadata.version(p)}" for p in packages]
    cores = len(os.sched_getaffinity(0))
    python = f"Python {platform.python_version()}"
    return "; ".join(
        [processor(), f"{cores} cores", ", ".join([python, *versions])]
    )


def peak_rss_mb() -> float:
    """Returns the largest resident memory of this process, 10^6 bytes."""
    # `getrusage` counts what the process was before it became this program.
    status = pathlib.Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * 1024 / 1e6
