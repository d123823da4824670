"""Counts of requests, as a Prometheus page with TF Serving's names.

References:
    tensorflow_serving/util/prometheus_exporter.cc: the page
    tensorflow_serving/servables/tensorflow/util.cc: the names
"""

import collections
import threading

from tests.serving.protocol.status import Code

__all__ = ["Metrics"]

_PREFIX = ":tensorflow:serving:"


class Metrics:
    """Counters that any thread may add to.

    Example:
        metrics.request("vae", Code.OK, seconds=0.01)
        metrics.runtime("vae", seconds=0.008)
        metrics.page()
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: collections.Counter[tuple[str, str]] = (
            collections.Counter()
        )
        self._sums: dict[tuple[str, str], list[float]] = {}

    def request(self, model: str, code: Code, seconds: float) -> None:
        """Counts a request; microseconds of those that were answered."""
        with self._lock:
            self._requests[model, code.name] += 1
            if code == Code.OK:
                self._add("request_latency", model, seconds)

    def runtime(self, model: str, seconds: float) -> None:
        """Counts one call of a model."""
        with self._lock:
            self._add("runtime_latency", model, seconds)

    def page(self) -> str:
        """Returns the page."""
        with self._lock:
            lines = [f"# TYPE {_PREFIX}request_count counter"]
            for (model, status), count in sorted(self._requests.items()):
                labels = f'model_name="{model}",status="{status}"'
                lines.append(f"{_PREFIX}request_count{{{labels}}} {count}")
            for (name, model), (count, total) in sorted(self._sums.items()):
                labels = f'model_name="{model}"'
                full = f"{_PREFIX}{name}"
                lines += [
                    f"# TYPE {full} histogram",
                    f'{full}_bucket{{{labels},le="+Inf"}} {count:.0f}',
                    f"{full}_sum{{{labels}}} {total:.0f}",
                    f"{full}_count{{{labels}}} {count:.0f}",
                ]
        return "\n".join(lines) + "\n"

    def _add(self, name: str, model: str, seconds: float) -> None:
        totals = self._sums.setdefault((name, model), [0.0, 0.0])
        totals[0] += 1
        totals[1] += 1e6 * seconds
