"""Tests of the server's files, of its labels, policies, and of TLS."""

import pathlib
import shutil
import subprocess
import urllib.request

import grpc
import pytest
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
)

from tests.serving.protocol import config_files
from tests.serving.protocol.batching import BatchingParameters
from tests.serving.protocol.server import Tls, running_server
from tests.serving.protocol.status import Code, StatusError
from tests.serving.protocol.versions import ModelConfig, Versions, WatchOptions

_MODELS = """
model_config_list {
  config {
    name: "vae"
    base_path: "%s"
    model_platform: "tensorflow"
    model_version_policy { specific { versions: 1 versions: 3 } }
    version_labels { key: "stable" value: 1 }
    version_labels { key: "canary" value: 3 }
  }
}
"""


def _file(folder, text):
    path = folder / "file.txt"
    path.write_text(text)
    return path


def test_models_policies_and_labels(model_base_path, tmp_path):
    base = tmp_path / "vae"
    for version in ("1", "2", "3"):
        shutil.copytree(model_base_path / "1", base / version)
    path = _file(tmp_path, _MODELS % base)
    (config,) = config_files.read_models(path)
    assert config == ModelConfig(
        "vae", base, specific=(1, 3), labels={"stable": 1, "canary": 3}
    )
    versions = Versions(config, WatchOptions())
    try:
        versions.poll()
        assert set(versions.states()) == {1, 3}
        for label, version in config.labels.items():
            with versions.servable(label=label) as servable:
                assert servable.version == version
        with versions.servable() as servable:
            assert servable.version == 3
        # A folder that is gone is unloaded; the other one goes on.
        shutil.rmtree(base / "3")
        versions.poll()
        with versions.servable() as servable:
            assert servable.version == 1
    finally:
        versions.close()


def test_batching_parameters(tmp_path):
    text = """
    max_batch_size { value: 128 }
    batch_timeout_micros { value: 1000 }
    num_batch_threads { value: 2 }
    allowed_batch_sizes: 8
    allowed_batch_sizes: 128
    """
    assert config_files.read_batching(_file(tmp_path, text)) == (
        BatchingParameters(
            max_batch_size=128,
            batch_timeout_micros=1000,
            num_batch_threads=2,
            allowed_batch_sizes=(8, 128),
        )
    )


def test_monitoring(tmp_path):
    text = 'prometheus_config { enable: true, path: "/metrics" }'
    assert config_files.read_monitoring(_file(tmp_path, text)) == "/metrics"
    assert config_files.read_monitoring(_file(tmp_path, "")) is None


@pytest.mark.parametrize(
    "read, text",
    [
        (config_files.read_models, "model_config {"),
        (config_files.read_models, "model_config_list { config { x: 1 } }"),
        (config_files.read_models, 'model_config_list{config{name: "a"}}'),
        (config_files.read_batching, "max_batch_size: 1"),
        (config_files.read_monitoring, "prometheus { }"),
    ],
)
def test_bad_files_are_refused(read, text, tmp_path):
    with pytest.raises(StatusError) as caught:
        read(_file(tmp_path, text))
    assert caught.value.code == Code.INVALID_ARGUMENT


def _status(address, credentials):
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "vae"
    channel = (
        grpc.secure_channel(address, credentials)
        if credentials
        else grpc.insecure_channel(address)
    )
    with channel:
        stub = model_service_pb2_grpc.ModelServiceStub(channel)
        response = stub.GetModelStatus(request, timeout=20)
    return [one.version for one in response.model_version_status]


def _certificate(folder, host):
    """Makes a key and a certificate that signs itself."""
    key, certificate = folder / f"{host}.key", folder / f"{host}.crt"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes"),
            *("-keyout", key, "-out", certificate, "-days", "1"),
            *("-subj", f"/CN={host}", "-addext", f"subjectAltName=IP:{host}"),
        ],
        check=True,
        capture_output=True,
    )
    return Tls(key, certificate)


def test_tls_is_for_the_named_host_alone(model_base_path, tmp_path):
    ours = _certificate(tmp_path, "127.0.0.1")
    other = _certificate(tmp_path, "10.0.0.1")
    trusted = b"".join(
        pathlib.Path(tls.certificate).read_bytes() for tls in (ours, other)
    )
    credentials = grpc.ssl_channel_credentials(trusted)
    with running_server(model_base_path, tls=ours) as server:
        assert _status(server.grpc_address, credentials) == [1]
        with pytest.raises(grpc.RpcError):
            _status(server.grpc_address, None)
        assert server.rest_address.startswith("https://")
    with running_server(model_base_path, tls=other) as server:
        with pytest.raises(grpc.RpcError) as caught:
            _status(server.grpc_address, credentials)
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


def test_metrics_count_requests(model_base_path):
    with running_server(model_base_path, metrics_path="/metrics") as server:
        url = f"{server.rest_address}/v1/models/vae:predict"
        body = b'{"signature_name": "decode", "instances": [[0, 0, 0]]}'
        with urllib.request.urlopen(url, body, timeout=20):
            pass
        page_url = f"{server.rest_address}/metrics"
        with urllib.request.urlopen(page_url, timeout=20) as response:
            page = response.read().decode()
    labels = '{model_name="vae",status="OK"}'
    assert f":tensorflow:serving:request_count{labels} 1" in page
    # The model's calls are those, and those of a warm-up.
    assert ':runtime_latency_count{model_name="vae"} ' in page


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
