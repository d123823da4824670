"""Files that start the official TF Serving image on an export.

References:
    https://www.tensorflow.org/tfx/serving/serving_config: the first three
"""

import dataclasses
import ipaddress
import os
import pathlib
import re

from keras_vae.errors import UserError
from keras_vae.io import local_files
from keras_vae.io.failures import not_writable
from keras_vae.serving import manifests
from keras_vae.serving.metadata import METADATA
from keras_vae.serving.setting_checks import whole_number
from keras_vae.serving.version_folders import versions

__all__ = ["ServerOptions", "server_files", "write_server_files"]

# What TF Serving's REST paths, and ours in YAML, can hold without quotes.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_MAX_INT32 = 2**31 - 1
_RANGES = {
    "max_batch_size": (1, 2**20),
    "batch_timeout_micros": (0, _MAX_INT32),
    "max_enqueued_batches": (1, _MAX_INT32),
    "cpus": (1, 1024),
    "replicas": (1, 1000),
    "grpc_port": (1, 65535),
    "rest_port": (1, 65535),
}
# Both Kubernetes and compose have these.
_MEMORY = re.compile("[1-9][0-9]*(Mi|Gi)")
_IMAGE = re.compile(r"[a-z0-9][A-Za-z0-9._:/@-]*")
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
        host: Address on which the compose file publishes the ports. Who
            reaches it may ask: TF Serving knows no passwords.
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
    host: str = "127.0.0.1"
    grpc_port: int = 8500
    rest_port: int = 8501

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            whole_number(name, getattr(self, name), low, high)
        if self.max_batch_size & (self.max_batch_size - 1):
            raise UserError(
                "max_batch_size must be a power of two. "
                f"Received: max_batch_size={self.max_batch_size}"
            )
        if self.grpc_port == self.rest_port:
            raise UserError(
                "grpc_port and rest_port must differ. "
                f"Received: {self.grpc_port} for both"
            )
        if not _MEMORY.fullmatch(str(self.memory)):
            raise UserError(
                "memory must be a number of mebibytes or gibibytes, such as "
                f"512Mi or 2Gi. Received: memory={self.memory!r}"
            )
        if not _IMAGE.fullmatch(str(self.image)):
            raise UserError(
                "image must be that of a container, such as "
                f"tensorflow/serving:2.21.0. Received: image={self.image!r}"
            )
        self._check_host()

    def _check_host(self) -> None:
        try:
            # A zone, after %, is none that compose takes.
            ipaddress.ip_address(str(self.host).replace("%", "/"))
        except ValueError as error:
            raise UserError(
                "host must be an IP address of this machine: 127.0.0.1 for "
                "itself alone, 0.0.0.0 for all who reach it. "
                f"Received: --host={self.host}"
            ) from error

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
            "The model's name must be of letters, digits, '.', '_' and '-', "
            "and begin with one of the first two: rename its folder. "
            f"Received: {model_name}"
        )
    if not _is_unicode(export_path):
        raise UserError(
            "The path of the export must be valid UTF-8, which YAML is "
            f"written in. Received: {export_path!r}"
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
            for name in (
                *("cpus", "memory", "replicas"),
                *("host", "grpc_port", "rest_port"),
            )
        },
    }
    return {
        **configuration,
        "compose.yaml": manifests.compose(export_path, **values),
        "kubernetes.yaml": manifests.kubernetes(configuration, **values),
    }


def _is_unicode(text: str) -> bool:
    """Returns whether no byte of a file's name stands in it undecoded."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


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
