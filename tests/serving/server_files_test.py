"""Tests of the files that start TF Serving: each is read as its reader does.

`models.config` is checked against tensorflow-serving-api's own message. Those
of the other two files are not in that package: the protocol check declares
them after their `.proto` files. The YAML files are read with PyYAML; what they
must say is written down here, as no container runtime and no cluster is at
hand.
"""

import json
import pathlib
import re
import subprocess
import sys
import urllib.request

import pytest
import yaml
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from keras_vae.config import (
    AutoencoderConfig,
    DenseConfig,
    TrainingConfig,
)
from keras_vae.data import DataConfig
from keras_vae.errors import UserError
from keras_vae.models import build_model
from keras_vae.serving import ServerOptions, export, write_server_files
from keras_vae.serving.metadata import METADATA
from keras_vae.serving.server_files import server_files
from keras_vae.training import ExperimentConfig, TrainedModel
from tests.apps import app
from tests.serving.protocol import config_files

_NAMES = {
    "models.config",
    "batching_parameters.txt",
    "monitoring.config",
    "compose.yaml",
    "kubernetes.yaml",
}
_METRICS = "/monitoring/prometheus/metrics"
_DNS_LABEL = re.compile("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def _make_export(base: pathlib.Path) -> pathlib.Path:
    path = base / "1" / METADATA
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({}))
    return base


@pytest.fixture
def written(tmp_path):
    """Returns the export and the folder of its files."""
    export = _make_export(tmp_path / "saved_models" / "mnist_vae")
    folder = tmp_path / "deploy"
    paths = write_server_files(export, folder)
    assert {path.name for path in paths} == _NAMES
    assert {path.name for path in folder.iterdir()} == _NAMES
    return export, folder


def _flags(arguments: list[str]) -> dict[str, str]:
    return dict(
        argument.removeprefix("--").split("=") for argument in arguments
    )


def _check_flags(flags: dict[str, str]) -> None:
    assert flags == {
        "port": "8500",
        "rest_api_port": "8501",
        "model_config_file": "/config/models.config",
        "monitoring_config_file": "/config/monitoring.config",
        "enable_batching": "true",
        "batching_parameters_file": "/config/batching_parameters.txt",
        "tensorflow_intra_op_parallelism": "2",
        "tensorflow_inter_op_parallelism": "2",
    }


def test_models_config_is_the_servers_message(written):
    _, folder = written
    config = text_format.Parse(
        (folder / "models.config").read_text(),
        model_server_config_pb2.ModelServerConfig(),
    )
    (model,) = config.model_config_list.config
    assert model.name == "mnist_vae"
    assert model.base_path == "/models/mnist_vae"
    assert model.model_platform == "tensorflow"
    # What the server does without them: the newest version is served.
    assert not model.HasField("model_version_policy")
    assert not model.version_labels


def test_batching_parameters(written):
    _, folder = written
    read = config_files.read_batching(folder / "batching_parameters.txt")
    options = ServerOptions()
    assert read.max_batch_size == options.max_batch_size == 256
    assert read.batch_timeout_micros == options.batch_timeout_micros
    assert read.max_enqueued_batches == options.max_enqueued_batches
    assert read.num_batch_threads == options.cpus
    assert read.allowed_batch_sizes == (1, 2, 4, 8, 16, 32, 64, 128, 256)


@pytest.mark.parametrize("size", [1, 2, 64, 1024])
def test_allowed_batch_sizes_increase_and_end_at_the_largest(size):
    sizes = ServerOptions(max_batch_size=size).allowed_batch_sizes
    assert list(sizes) == sorted(set(sizes))
    assert sizes[0] == 1
    assert sizes[-1] == size


def test_monitoring(written):
    _, folder = written
    assert (
        config_files.read_monitoring(folder / "monitoring.config") == _METRICS
    )


def test_compose_starts_the_image_on_the_export(written):
    export, folder = written
    compose = yaml.safe_load((folder / "compose.yaml").read_text())
    assert set(compose) == {"services"}
    (service,) = compose["services"].values()
    assert re.fullmatch(r"tensorflow/serving:\d+\.\d+\.\d+", service["image"])
    assert service["entrypoint"] == ["tensorflow_model_server"]
    _check_flags(_flags(service["command"]))
    # On this machine alone.
    assert service["ports"] == ["127.0.0.1:8500:8500", "127.0.0.1:8501:8501"]
    mounts = {m["target"]: m for m in service["volumes"]}
    assert set(mounts) == {"/models/mnist_vae", "/config"}
    assert all(m["type"] == "bind" and m["read_only"] for m in mounts.values())
    # Compose takes paths from the file's folder.
    for target, path in (("/models/mnist_vae", export), ("/config", folder)):
        source = mounts[target]["source"]
        assert source.startswith(".")
        assert (folder / source).resolve() == path.resolve()
    probe = service["healthcheck"]["test"]
    assert probe[:3] == ["CMD", "bash", "-c"]
    assert "/v1/models/mnist_vae" in probe[3]
    assert r"\r\n\r\n" in probe[3]
    assert service["mem_limit"] == "2g"


def _manifest(folder: pathlib.Path) -> dict[str, dict]:
    text = (folder / "kubernetes.yaml").read_text()
    documents = list(yaml.safe_load_all(text))
    assert all(d["apiVersion"] and d["metadata"]["name"] for d in documents)
    return {document["kind"]: document for document in documents}


def test_kubernetes_objects_fit_together(written):
    _, folder = written
    objects = _manifest(folder)
    assert {kind: found["apiVersion"] for kind, found in objects.items()} == {
        "ConfigMap": "v1",
        "PersistentVolumeClaim": "v1",
        "Deployment": "apps/v1",
        "Service": "v1",
    }
    for found in objects.values():
        assert _DNS_LABEL.fullmatch(found["metadata"]["name"])
    # The configuration is that of the files, byte for byte.
    data = objects["ConfigMap"]["data"]
    assert set(data) == _NAMES - {"compose.yaml", "kubernetes.yaml"}
    for name, text in data.items():
        assert text == (folder / name).read_text()
    spec = objects["Deployment"]["spec"]
    pod = spec["template"]
    labels = pod["metadata"]["labels"]
    assert spec["selector"]["matchLabels"] == labels
    assert objects["Service"]["spec"]["selector"] == labels
    volumes = {v["name"]: v for v in pod["spec"]["volumes"]}
    claim = volumes["models"]["persistentVolumeClaim"]["claimName"]
    assert claim == objects["PersistentVolumeClaim"]["metadata"]["name"]
    config = volumes["config"]["configMap"]["name"]
    assert config == objects["ConfigMap"]["metadata"]["name"]
    assert objects["PersistentVolumeClaim"]["spec"]["accessModes"] == [
        "ReadWriteOnce"
    ]


def test_kubernetes_container(written):
    _, folder = written
    objects = _manifest(folder)
    pod = objects["Deployment"]["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    assert container["command"] == ["tensorflow_model_server"]
    _check_flags(_flags(container["args"]))
    ports = {p["name"]: p["containerPort"] for p in container["ports"]}
    assert ports == {"grpc": 8500, "rest": 8501}
    assert objects["Service"]["spec"]["type"] == "ClusterIP"
    for port in objects["Service"]["spec"]["ports"]:
        assert port["targetPort"] in ports
        assert port["port"] == ports[port["targetPort"]]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        get = container[probe]["httpGet"]
        assert get == {"path": "/v1/models/mnist_vae", "port": "rest"}
    mounts = {m["mountPath"]: m for m in container["volumeMounts"]}
    assert mounts["/models/mnist_vae"]["name"] == "models"
    assert mounts["/config"]["name"] == "config"
    assert all(mount["readOnly"] for mount in mounts.values())
    assert container["resources"]["limits"] == {"cpu": "2", "memory": "2Gi"}
    assert pod["metadata"]["annotations"] == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": "8501",
        "prometheus.io/path": _METRICS,
    }


def test_the_protocol_check_starts_from_the_files(tmp_path):
    config = AutoencoderConfig(
        architecture=DenseConfig((4,)),
        latent_dim=2,
    )
    experiment = ExperimentConfig(
        DataConfig("mnist_5k"), config, TrainingConfig(epochs=1)
    )
    model = build_model(config, (4, 5, 1), likelihood="bernoulli")
    export(
        TrainedModel(model, experiment, experiment.prepare()),
        tmp_path / "digits",
    )
    folder = tmp_path / "deploy"
    write_server_files(tmp_path / "digits", folder)
    compose = yaml.safe_load((folder / "compose.yaml").read_text())
    flags = [
        flag.replace("/config", str(folder))
        for flag in compose["services"]["serving"]["command"]
        if flag.startswith(("--model_config", "--batching"))
    ]
    # The container's paths are not those of this machine.
    models = folder / "models.config"
    models.write_text(models.read_text().replace("/models", str(tmp_path)))
    with (
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.serving.protocol.server"),
                *("--port=0", "--rest_api_port=0", "--enable_batching"),
                *flags,
            ],
            cwd=app.ROOT,
            env={**app.environment(), "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            address = process.stdout.readline().split()[-1]
            url = f"{address}/v1/models/digits"
            with urllib.request.urlopen(url, timeout=30) as answer:
                status = json.load(answer)["model_version_status"]
        finally:
            process.terminate()
    assert [(s["version"], s["state"]) for s in status] == [("1", "AVAILABLE")]


def test_options_are_in_all_files(tmp_path):
    options = ServerOptions(
        image="registry.example/serving:1",
        max_batch_size=8,
        batch_timeout_micros=77,
        max_enqueued_batches=9,
        cpus=3,
        memory="512Mi",
        replicas=2,
        host="0.0.0.0",
        grpc_port=9000,
        rest_port=9105,
    )
    export = _make_export(tmp_path / "Über$tand" / "Big.Model_2")
    write_server_files(export, tmp_path, options)
    objects = _manifest(tmp_path)
    spec = objects["Deployment"]["spec"]
    assert objects["Deployment"]["metadata"]["name"] == "big-model-2"
    assert spec["replicas"] == 2
    claim = objects["PersistentVolumeClaim"]["spec"]
    assert claim["accessModes"] == ["ReadWriteMany"]
    (container,) = spec["template"]["spec"]["containers"]
    flags = _flags(container["args"])
    assert (flags["port"], flags["rest_api_port"]) == ("9000", "9105")
    for kind in ("intra", "inter"):
        assert flags[f"tensorflow_{kind}_op_parallelism"] == "3"
    ports = {p["name"]: p["containerPort"] for p in container["ports"]}
    assert ports == {"grpc": 9000, "rest": 9105}
    ports = {p["name"]: p["port"] for p in objects["Service"]["spec"]["ports"]}
    assert ports == {"grpc": 9000, "rest": 9105}
    annotations = spec["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == "9105"
    resources = {"cpu": "3", "memory": "512Mi"}
    assert container["resources"] == {
        "requests": resources,
        "limits": resources,
    }
    compose = yaml.safe_load((tmp_path / "compose.yaml").read_text())
    service = compose["services"]["serving"]
    assert service["image"] == container["image"] == options.image
    assert service["ports"] == ["0.0.0.0:9000:9000", "0.0.0.0:9105:9105"]
    assert "/127.0.0.1/9105 " in service["healthcheck"]["test"][3]
    assert _flags(service["command"]) == flags
    assert service["cpus"] == 3
    assert service["mem_limit"] == "512m"
    # `$$` is compose's way to write `$`.
    source = service["volumes"][0]["source"].replace("$$", "$")
    assert (tmp_path / source).resolve() == export.resolve()
    read = config_files.read_batching(tmp_path / "batching_parameters.txt")
    assert read.allowed_batch_sizes == (1, 2, 4, 8)
    assert read.num_batch_threads == 3
    assert read.batch_timeout_micros == 77
    assert read.max_enqueued_batches == 9


def test_files_are_replaced_whole(written, monkeypatch):
    export, folder = written
    before = {path.name: path.read_text() for path in folder.iterdir()}

    def refuse(path, text, encoding):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(pathlib.Path, "write_text", refuse)
    with pytest.raises(UserError, match="cannot be written.*--serving_files="):
        write_server_files(export, folder, ServerOptions(max_batch_size=8))
    assert {p.name: p.read_text() for p in folder.iterdir()} == before


@pytest.mark.parametrize("made", [None, "folder", "version"])
def test_folder_without_an_export_is_refused(made, tmp_path):
    if made:
        (tmp_path / "model" / ("1" if made == "version" else "")).mkdir(
            parents=True
        )
    with pytest.raises(UserError, match="No export.*apps/export.py.*model"):
        write_server_files(tmp_path / "model", tmp_path / "deploy")
    assert not (tmp_path / "deploy").exists()


def _strings(value):
    """Yields what stands at the ends of nested YAML."""
    if isinstance(value, dict | list):
        items = value.values() if isinstance(value, dict) else value
        for item in items:
            yield from _strings(item)
    else:
        yield value


@pytest.mark.parametrize(
    "name",
    [
        *("1", "007", "1e3", "0x1", "0o7", "1_000", "1.5", "12e03"),
        *("null", "Null", "true", "on", "No", "y", "inf", "2026-11-30"),
        *("A.b_c-", "x" * 200, "9" + "-" * 60 + "9"),
    ],
)
def test_name_is_a_name_in_every_file(name):
    files = server_files(name, f"../{name}", ServerOptions())
    config = text_format.Parse(
        files["models.config"], model_server_config_pb2.ModelServerConfig()
    )
    (model,) = config.model_config_list.config
    assert (model.name, model.base_path) == (name, f"/models/{name}")
    (service,) = yaml.safe_load(files["compose.yaml"])["services"].values()
    assert [mount["target"] for mount in service["volumes"]] == [
        f"/models/{name}",
        "/config",
    ]
    assert service["volumes"][0]["source"] == f"../{name}"
    objects = list(yaml.safe_load_all(files["kubernetes.yaml"]))
    kinds = {found["kind"]: found for found in objects}
    for found in objects:
        # A Service's name begins with a letter.
        assert _DNS_LABEL.fullmatch(found["metadata"]["name"])
        assert found["metadata"]["name"][0].isalpha()
        (label,) = found["metadata"]["labels"].values()
        assert label == kinds["Deployment"]["metadata"]["name"]
    pod = kinds["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["volumeMounts"][0]["mountPath"] == f"/models/{name}"
    get = container["readinessProbe"]["httpGet"]
    assert get["path"] == f"/v1/models/{name}"
    # What is no name stays a number.
    numbers = [v for v in _strings(objects) if not isinstance(v, str)]
    assert {type(value) for value in numbers} <= {int, bool}


@pytest.mark.parametrize(
    "path",
    [
        *("../a b", "../$HOME/x", "../'\"/x", "../\\n/x", "../a: b # c"),
        *("../\n/x", "../\t\x7f\x85\u2028\ufeff/x", "../ä/\U0001f600", "~/x"),
        *("- a", "/models/{x}", "%TAG", "@x", "volume", "null"),
    ],
)
def test_path_of_any_characters_is_read_as_it_is(path):
    text = server_files("vae", path, ServerOptions())["compose.yaml"]
    (service,) = yaml.safe_load(text)["services"].values()
    source = service["volumes"][0]["source"].replace("$$", "$")
    assert source == (path if path[0] in "./" else f"./{path}")
    assert service["volumes"][0]["type"] == "bind"
    text.encode("ascii")


def test_path_that_is_no_text_is_refused():
    with pytest.raises(UserError, match="valid UTF-8.*udce9"):
        server_files("vae", "../caf\udce9/vae", ServerOptions())


@pytest.mark.parametrize(
    ("host", "port"), [("::1", "[::1]:8500:8500"), ("10.0.0.7", "10.0.0.7:85")]
)
def test_ports_are_published_where_it_was_asked(host, port):
    text = server_files("vae", "../x", ServerOptions(host=host))["compose.yaml"]
    (service,) = yaml.safe_load(text)["services"].values()
    assert service["ports"][0].startswith(port)


def test_dollars_are_no_variables(tmp_path):
    # One that compose would take from the environment.
    with pytest.raises(UserError, match="image must be"):
        ServerOptions(image="serving:${TAG}")


@pytest.mark.parametrize(
    "name", ["a b", "a/b", "a:b", "", "ä", '"', ".", "..", "-a", "a\n", "a$b"]
)
def test_name_that_a_server_cannot_have(name):
    with pytest.raises(UserError, match="model's name must be"):
        server_files(name, "../x", ServerOptions())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_batch_size": 0}, "max_batch_size must be 1 "),
        ({"max_batch_size": 96}, "power of two. Received: max_batch_size=96"),
        ({"max_batch_size": 2.0}, "max_batch_size must be .*2.0"),
        ({"max_batch_size": 2**21}, "max_batch_size must be"),
        ({"max_enqueued_batches": 0}, "max_enqueued_batches must be"),
        ({"max_enqueued_batches": 2**40}, "max_enqueued_batches must be"),
        ({"cpus": 0}, "cpus must be 1 .*whole number"),
        ({"cpus": 1.5}, "cpus must be.*1.5"),
        ({"cpus": True}, "cpus must be.*True"),
        ({"cpus": "2"}, "cpus must be.*'2'"),
        ({"batch_timeout_micros": -1}, "batch_timeout_micros must be"),
        ({"replicas": 0}, "replicas must be"),
        ({"grpc_port": 0}, "grpc_port must be 1 ... 65535"),
        ({"rest_port": 65536}, "rest_port must be.*rest_port=65536"),
        ({"grpc_port": -1}, "grpc_port must be"),
        ({"rest_port": "8501"}, "rest_port must be"),
        ({"rest_port": 8500}, "must differ. Received: 8500 for both"),
        *(
            ({"memory": text}, "memory must be.*Received: memory=")
            for text in ("", "2", "2G", "500m", "0Gi", "-1Gi", "1.5Gi", "2Gi\n")
        ),
        *(
            ({"image": text}, "image must be.*Received: image=")
            for text in ("", "a b", 'a"', "a\nb", "-x", None)
        ),
        *(
            ({"host": text}, "host must be an IP address.*Received: --host=")
            for text in ("", "all", "localhost", "1.2.3", "::1%eth0", "::1/64")
        ),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(UserError, match=message):
        ServerOptions(**options)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
