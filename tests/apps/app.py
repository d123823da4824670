"""Runs the apps as a user does: each in a process of its own."""

import os
import pathlib
import subprocess
import sys
from typing import Any

__all__ = [
    "APPS",
    "ROOT",
    "TIMEOUT",
    "assert_refused",
    "command",
    "environment",
    "run",
    "variables",
]

# Not resolve(): a build tool may lay links to the sources out in a folder.
ROOT = pathlib.Path(__file__).absolute().parents[2]
APPS = ("evaluate", "export", "generate", "predict", "train")
TIMEOUT = 300  # Seconds.
_USAGE_ERROR = 2
_MAX_LINES = 3
_PROXIES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")


def command(app: str, *arguments: Any) -> list[str]:
    """Returns the command line of an app."""
    path = ROOT / "apps" / f"{app}.py"
    return [sys.executable, str(path), *map(str, arguments)]


def environment(network: bool = True) -> dict[str, str]:
    """Returns the variables for an app's process.

    Args:
        network: Where False, a proxy that refuses connections stands for a
            missing network.
    """
    found = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    values = {**os.environ, "PYTHONPATH": os.pathsep.join(found)}
    if not network:
        values |= dict.fromkeys(_PROXIES, "http://127.0.0.1:9")
        values |= {"no_proxy": "", "NO_PROXY": ""}
    return values


def variables(cwd: pathlib.Path, network: bool = True) -> dict[str, str]:
    """Returns the variables with which `run` runs an app; see there."""
    return environment(network) | {
        "TMPDIR": str(cwd),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def run(
    app: str, *arguments: Any, cwd: pathlib.Path, network: bool = True
) -> subprocess.CompletedProcess[str]:
    """Runs an app to its end.

    Args:
        app: Its name.
        *arguments: What follows it on the command line.
        cwd: The folder that it runs in; temporary files go there too, so
            that those it leaves are seen.
        network: As for `environment`.
    """
    return subprocess.run(
        command(app, *arguments),
        check=False,
        cwd=cwd,
        env=variables(cwd, network),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )


def assert_refused(
    result: subprocess.CompletedProcess[str], *parts: str
) -> None:
    """Asserts that bad input was refused as the project promises.

    Args:
        result: What `run` returned.
        *parts: What the message must contain.
    """
    assert result.returncode == _USAGE_ERROR, result.stdout + result.stderr
    lines = result.stderr.splitlines()
    assert 1 <= len(lines) <= _MAX_LINES, result.stderr
    assert lines[0].startswith("error: "), result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr) < 700, result.stderr
    assert result.stdout == ""
    for part in parts:
        assert part in result.stderr, result.stderr
