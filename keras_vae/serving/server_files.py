"""Files that start the official TF Serving image on an export.

References:
    https://www.tensorflow.org/tfx/serving/serving_config: the first three
"""

import dataclasses
import os
import pathlib
import re

from keras_vae import local_files
from keras_vae.errors import UserError
from keras_vae.failures import not_writable
from keras_vae.serving import manifests
from keras_vae.serving.metadata import METADATA
from keras_vae.serving.version_folders import versions

__all__ = ["ServerOptions", "server_files", "write_server_files"]

# What TF Serving's REST paths, and ours in YAML, can hold without quotes.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_METRICS_PATH = "/monitoring/prometheus/metrics"


@dataclasses.dataclass(frozen=True)
class ServerOptions:
    """How a model is served.

    Attributes:
        image: The container image.
        max_batch_size: Most rows that run together, and most of one request;
            a power of two, so that batches are padded to powers of two.
        batch_timeout_micros: How long a request waits for others,
            microseconds.
        max_enqueued_batches: Batches that wait; beyond them a request is
            answered UNAVAILABLE.
        cpus: Cores of a server: its threads, and batches at a time.
        memory: Memory of a server; two versions are loaded when one takes
            over from another.
        replicas: Servers in Kubernetes.
        grpc_port: Port of gRPC.
        rest_port: Port of REST and of the metrics.
    """

    image: str = "tensorflow/serving:2.21.0"
    max_batch_size: int = 256
    batch_timeout_micros: int = 1000
    max_enqueued_batches: int = 100
    cpus: int = 2
    memory: str = "2Gi"
    replicas: int = 1
    grpc_port: int = 8500
    rest_port: int = 8501

    def __post_init__(self) -> None:
        for name in ("max_batch_size", "max_enqueued_batches", "cpus"):
            if getattr(self, name) < 1:
                raise UserError(
                    f"{name} must be at least 1. "
                    f"Received: {name}={getattr(self, name)}"
                )
        if self.max_batch_size & (self.max_batch_size - 1):
            raise UserError(
                "max_batch_size must be a power of two. "
                f"Received: max_batch_size={self.max_batch_size}"
            )
        if self.batch_timeout_micros < 0 or self.replicas < 1:
            raise UserError(
                "batch_timeout_micros must be at least 0 and replicas at least "
                f"1. Received: {self.batch_timeout_micros} and {self.replicas}"
            )

    @property
    def allowed_batch_sizes(self) -> tuple[int, ...]:
        """Powers of two up to `max_batch_size`."""
        return tuple(2**i for i in range(self.max_batch_size.bit_length()))


def write_server_files(
    export_dir: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    options: ServerOptions | None = None,
) -> list[pathlib.Path]:
    """Writes the files that serve an export; replaces those that are there.

    Args:
        export_dir: The model's folder, with at least one version; its name is
            the model's name.
        folder: The folder of the files. `compose.yaml` refers to the export
            by a path from there.
        options: How the model is served.

    Returns:
        The files: `models.config`, `batching_parameters.txt`,
        `monitoring.config`, `compose.yaml` and `kubernetes.yaml`.

    Raises:
        UserError: If there is no export, or the files cannot be written.
    """
    base = local_files.check_local("export_dir", export_dir).resolve()
    target = local_files.check_local("serving_files", folder).resolve()
    _check_export(base)
    files = server_files(
        base.name, os.path.relpath(base, target), options or ServerOptions()
    )
    for name, text in files.items():
        _replace(target / name, text)
    return [pathlib.Path(folder) / name for name in files]


def server_files(
    model_name: str, export_path: str, options: ServerOptions
) -> dict[str, str]:
    """Returns the texts of the files by their names.

    Args:
        model_name: What clients ask for.
        export_path: The model's folder, from that of the files.
        options: How the model is served.
    """
    if not _NAME.fullmatch(model_name):
        raise UserError(
            "The model's name must be of letters, digits, '.', '_' and '-': "
            f"rename its folder. Received: {model_name}"
        )
    flags = [
        f"--port={options.grpc_port}",
        f"--rest_api_port={options.rest_port}",
        "--model_config_file=/config/models.config",
        "--monitoring_config_file=/config/monitoring.config",
        "--enable_batching=true",
        "--batching_parameters_file=/config/batching_parameters.txt",
        f"--tensorflow_intra_op_parallelism={options.cpus}",
        f"--tensorflow_inter_op_parallelism={options.cpus}",
    ]
    configuration = {
        "models.config": _models(model_name),
        "batching_parameters.txt": _batching(options),
        "monitoring.config": _MONITORING,
    }
    values = {
        "name": model_name,
        "image": options.image,
        "flags": flags,
        "metrics_path": _METRICS_PATH,
        **{
            name: getattr(options, name)
            for name in ("cpus", "memory", "replicas", "grpc_port", "rest_port")
        },
    }
    return {
        **configuration,
        "compose.yaml": manifests.compose(export_path, **values),
        "kubernetes.yaml": manifests.kubernetes(configuration, **values),
    }


def _models(name: str) -> str:
    return f"""\
# ModelServerConfig of TF Serving: the newest version is served.
model_config_list {{
  config {{
    name: "{name}"
    base_path: "/models/{name}"
    model_platform: "tensorflow"
  }}
}}
"""


def _batching(options: ServerOptions) -> str:
    sizes = "\n".join(
        f"allowed_batch_sizes: {size}" for size in options.allowed_batch_sizes
    )
    return f"""\
# BatchingParameters of TF Serving: requests of one signature run together.
# No request may have more rows than max_batch_size.
max_batch_size {{ value: {options.max_batch_size} }}
batch_timeout_micros {{ value: {options.batch_timeout_micros} }}
max_enqueued_batches {{ value: {options.max_enqueued_batches} }}
num_batch_threads {{ value: {options.cpus} }}
# Batches are padded to one of these; the last one is max_batch_size.
{sizes}
"""


_MONITORING = f"""\
# MonitoringConfig of TF Serving: metrics for Prometheus on the REST port.
prometheus_config {{
  enable: true
  path: "{_METRICS_PATH}"
}}
"""


def _check_export(base: pathlib.Path) -> None:
    found = versions(base) if base.is_dir() else []
    try:
        local_files.read_json(base / str(found[-1]) / METADATA)
    except (IndexError, UserError) as error:
        raise UserError(
            "No export of this package found: apps/export.py makes one. "
            f"Received: --export_dir={base}"
        ) from error


def _replace(path: pathlib.Path, text: str) -> None:
    """Writes a file beside its place and renames it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        local_files.write_text(path, text)
    except OSError as error:
        raise not_writable(
            "The files of the server cannot be written.",
            f"--serving_files={path.parent}",
            error,
        ) from error
