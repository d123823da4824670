"""Runs apps in forks of one process that has imported what they import.

Most of the seconds that an app takes for little work go into importing
TensorFlow. `WarmProcess.run` is `app.run` without them: each app still has a
process, standard streams, flags and an exit code of its own.

A folder's conftest.py makes it a fixture:

    @pytest.fixture(scope="session")
    def warm_process():
        with WarmProcess() as process:
            yield process

python -m tests.apps.warm    reads requests, a line of JSON each
"""

import atexit
import contextlib
import json
import os
import pathlib
import runpy
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from keras_vae.cli import environment
from tests.apps import app

__all__ = ["WarmProcess"]

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND


class WarmProcess(contextlib.AbstractContextManager):
    """The process, while it is entered."""

    def __enter__(self) -> "WarmProcess":
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.apps.warm"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=app.environment(),
            text=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate()

    def run(
        self,
        name: str,
        *arguments: Any,
        cwd: pathlib.Path,
        network: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Runs an app to its end, as `app.run` does."""
        with tempfile.TemporaryDirectory() as folder:
            streams = [pathlib.Path(folder, s) for s in ("stdout", "stderr")]
            self.start(name, *arguments, cwd=cwd, network=network, to=streams)
            code = self.wait()
            return subprocess.CompletedProcess(
                app.command(name, *arguments),
                code,
                *(path.read_text() for path in streams),
            )

    def start(
        self,
        name: str,
        *arguments: Any,
        cwd: pathlib.Path,
        network: bool = True,
        to: Sequence[pathlib.Path],
    ) -> int:
        """Starts an app, the only one until `wait` has returned.

        Args:
            name: As for `run`, as all that is not named here.
            to: Files that its standard output and its errors are added to.

        Returns:
            Its process's number.
        """
        stdout, stderr = map(str, to)
        request = {
            "arguments": app.command(name, *arguments)[1:],
            "cwd": str(cwd),
            "environment": app.variables(cwd, network),
            "stdout": stdout,
            "stderr": stderr,
        }
        assert self._process.stdin
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def wait(self) -> int:
        """Returns the exit code of the app that was started, at its end."""
        return self._answer()

    def _answer(self) -> int:
        assert self._process.stdout
        answer = self._process.stdout.readline()
        assert answer, "the warm process has ended"
        return int(answer)


def _serve() -> None:
    environment.prepare()
    # What the apps import when their flags are right.
    import keras_vae.evaluation
    import keras_vae.serving
    import keras_vae.use.end_to_end  # noqa: F401

    for line in sys.stdin:
        child = os.fork()
        if not child:
            _run(json.loads(line))
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _run(request: dict[str, Any]) -> None:
    """Becomes the app, and ends as it does."""
    signal.alarm(app.TIMEOUT)
    for stream, number in (("stdout", 1), ("stderr", 2)):
        os.dup2(os.open(request[stream], _FLAGS), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    tempfile.tempdir = None
    sys.argv = request["arguments"]
    code: Any = 0
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    # All of an interpreter's end but freeing what was imported: seconds.
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _serve()
