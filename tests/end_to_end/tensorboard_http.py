"""A TensorBoard server for tests, and what its HTTP endpoints answer.

Event files that no TensorBoard can show are of no use, so tests ask a real one:

    with tensorboard_http.serve("runs/mnist_vae/tensorboard") as server:
        assert "elbo" in server.scalar_tags()["train"]
"""

import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

__all__ = ["Server", "serve"]

_URL = re.compile(r"http://127\.0\.0\.1:\d+/")


class Server:
    """A running TensorBoard.

    Attributes:
        url: Its address, ends in "/".
    """

    def __init__(self, url: str):
        self.url = url

    def get(self, path: str, **parameters: str | int) -> Any:
        """Returns the JSON answer of `GET path?parameters`."""
        query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        return json.loads(self.get_bytes(path + query))

    def get_bytes(self, path: str) -> bytes:
        """Returns the answer of `GET path`.

        Args:
            path: After the address, without a leading "/".

        Raises:
            urllib.error.HTTPError: The server answered with an error.
        """
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            return answer.read()

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Returns the JSON answer of `POST path` with a JSON body."""
        request = urllib.request.Request(
            self.url + path,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def plugins(self) -> set[str]:
        """Returns the names of the plugins that have something to show."""
        listing = self.get("data/plugins_listing")
        return {name for name, about in listing.items() if about["enabled"]}

    def runs(self) -> list[str]:
        """Returns the names of the runs, as `["train", "validation"]`."""
        return self.get("data/runs")

    def tags(self, plugin: str) -> dict[str, dict[str, Any]]:
        """Returns run -> tag -> description of one plugin's data."""
        return self.get(f"data/plugin/{plugin}/tags")

    def scalar_tags(self) -> dict[str, dict[str, Any]]:
        """Returns run -> tag -> description of the scalars."""
        return self.tags("scalars")

    def image_tags(self) -> dict[str, dict[str, Any]]:
        """Returns run -> tag -> description of the images."""
        return self.tags("images")

    def histogram_tags(self) -> dict[str, dict[str, Any]]:
        """Returns run -> tag -> description of the histograms."""
        return self.tags("histograms")

    def scalars(self, run: str, tag: str) -> dict[int, float]:
        """Returns step -> value of one scalar."""
        rows = self.get("data/plugin/scalars/scalars", run=run, tag=tag)
        return {int(step): float(value) for _, step, value in rows}

    def image(self, run: str, tag: str, index: int = -1) -> bytes:
        """Returns one image as its file's bytes (PNG).

        Args:
            run: Name of the run.
            tag: Name of the image.
            index: Which of the kept steps; the last by default.
        """
        entries = self.get(
            "data/plugin/images/images", run=run, tag=tag, sample=0
        )
        query = entries[index]["query"]
        return self.get_bytes(f"data/plugin/images/individualImage?{query}")

    def hparams_experiment(self) -> dict[str, Any]:
        """Returns the HParams experiment: `hparamInfos`, `metricInfos`, ..."""
        return self.post(
            "data/plugin/hparams/experiment", {"experimentName": ""}
        )


@contextlib.contextmanager
def serve(
    logdir: str | os.PathLike[str], timeout: float = 120.0
) -> Iterator[Server]:
    """Runs TensorBoard on a free port of this machine.

    The folder is read once, before the server answers: write first, and close
    the writers.

    Args:
        logdir: Folder of the event files.
        timeout: Seconds to wait until it has read them.

    Yields:
        server: The running server; it is ended on leaving.

    Raises:
        RuntimeError: It ended or was not up in time; with its output.
    """
    command = [
        *(sys.executable, "-m", "tensorboard.main", "--logdir", str(logdir)),
        *("--port", "0", "--host", "127.0.0.1"),
        # Reads once, to the end, and then serves: what it answers is complete.
        *("--reload_task", "blocking", "--reload_interval", "0"),
        # The data server is a process of its own, which a kill would leave.
        *("--load_fast", "false"),
    ]
    # A file and not a pipe: a pipe that nobody reads would stop the server.
    with tempfile.NamedTemporaryFile("wb", suffix=".log") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield Server(_wait(process, pathlib.Path(log.name), timeout))
        finally:
            process.kill()
            process.wait()


def _wait(
    process: subprocess.Popen[bytes], log: pathlib.Path, timeout: float
) -> str:
    """Waits until the server answers and returns its address."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and process.poll() is None:
        url = _URL.search(log.read_text(errors="replace"))
        if url and _answers(url[0]):
            return url[0]
        time.sleep(0.1)
    raise RuntimeError(
        f"TensorBoard was not up after {timeout} s (exit code "
        f"{process.poll()}). Its output:\n{log.read_text(errors='replace')}"
    )


def _answers(url: str) -> bool:
    """Whether the server answers."""
    try:
        Server(url).get("data/environment")
    except urllib.error.URLError:
        return False
    return True
