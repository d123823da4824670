"""Requests of every signature of an export, and who sends them."""

import base64
import http.client
import io
import json
import pathlib
import subprocess
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import grpc
import numpy as np
import PIL.Image
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

__all__ = ["SERVER", "Client", "Server", "make_inputs", "to_body", "to_message"]

_ROOT = pathlib.Path(__file__).resolve().parent.parent
SERVER = "tests.serving.protocol.server"
_MODEL = "vae"
_TIMEOUT = 60.0


def make_inputs(
    metadata: Mapping[str, Any], signature: str, rows: int, seed: int
) -> dict[str, np.ndarray]:
    """Returns inputs of a signature.

    Args:
        metadata: The export's `metadata.json`.
        signature: Its name.
        rows: The batch size.
        seed: Of the numbers.
    """
    random = np.random.default_rng(seed)
    shape = metadata["image_shape"]
    image = random.uniform(size=[rows, *shape]).astype(np.float32)
    seeds = random.integers(0, 2**31 - 1, [rows, 2]).astype(np.int32)
    if signature == "decode":
        z = random.normal(size=[rows, metadata["latent_dim"]])
        inputs = {"z": z.astype(np.float32)}
    elif signature == "sample":
        inputs = {"seed": seeds, "temperature": np.ones(rows, np.float32)}
    elif signature == "score":
        inputs = {"image": image, "seed": seeds}
    elif signature == "reconstruct_bytes":
        files = np.empty(rows, object)
        files[:] = [_png(one) for one in image]
        inputs = {"image_bytes": files}
    else:
        inputs = {"image": image}
    classes = metadata.get("num_classes", 0)
    if classes:
        inputs["label"] = random.integers(0, classes, rows).astype(np.int32)
    return inputs


class Server:
    """The protocol check, in a process of its own.

    Args:
        base_path: Folder of the version folders.
        flags: More flags of `tests.serving.protocol.server`.

    Attributes:
        address: Of gRPC, `host:port`.
        rest_port: Of REST.
    """

    def __init__(self, base_path: pathlib.Path, *flags: str):
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", SERVER),
                *(f"--model_name={_MODEL}", f"--model_base_path={base_path}"),
                *("--port=0", "--rest_api_port=0", *flags),
            ],
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout
        line = self._process.stdout.readline().split()
        if not line or line[0] != "listening:":
            self._process.kill()
            raise RuntimeError(
                f"The server did not start. Received: {base_path}"
            )
        self.address = line[1]
        self.rest_port = int(line[2].rpartition(":")[2])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.communicate(timeout=_TIMEOUT)

    def model_calls(self) -> tuple[float, int]:
        """Returns the calls of the model so far: their seconds, and number."""
        connection = http.client.HTTPConnection("127.0.0.1", self.rest_port)
        connection.request("GET", f"/v1/models/{_MODEL}/calls")
        found = json.loads(connection.getresponse().read())
        connection.close()
        return found["seconds"], found["calls"]

    def memory(self) -> int:
        """Returns the resident memory of the process, bytes."""
        status = pathlib.Path(f"/proc/{self._process.pid}/status").read_text()
        for line in status.splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("The process has no VmRSS. Received: its status.")


class Client:
    """One client with connections of its own; for one thread.

    Args:
        server: Whom it asks.
    """

    def __init__(self, server: Server):
        # Channels to one address share a connection otherwise.
        options = [("grpc.use_local_subchannel_pool", 1)]
        self._channel = grpc.insecure_channel(server.address, options)
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(
            self._channel
        )
        self._http = http.client.HTTPConnection(
            "127.0.0.1", server.rest_port, timeout=_TIMEOUT
        )

    def close(self) -> None:
        """Closes the connections."""
        self._channel.close()
        self._http.close()

    def ask(self, request: predict_pb2.PredictRequest) -> set[int]:
        """Asks over gRPC; returns the sizes of dimension 0 of the answer."""
        response = self._stub.Predict(request, timeout=_TIMEOUT)
        return {
            proto.tensor_shape.dim[0].size
            for proto in response.outputs.values()
        }

    def ask_rest(self, body: bytes) -> set[int]:
        """Asks over REST, in rows; returns the number of rows."""
        path = f"/v1/models/{_MODEL}:predict"
        self._http.request("POST", path, body)
        response = self._http.getresponse()
        answer = json.loads(response.read())
        if response.status != 200:
            raise RuntimeError(f"REST {response.status}: {answer}")
        return {len(answer["predictions"])}


def to_message(
    signature: str, inputs: Mapping[str, np.ndarray]
) -> predict_pb2.PredictRequest:
    """Returns the gRPC request of inputs."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = _MODEL
    request.model_spec.signature_name = signature
    for name, array in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(array))
    return request


def to_body(signature: str, inputs: Mapping[str, np.ndarray]) -> bytes:
    """Returns the REST request of inputs, in rows."""
    columns = {
        name: [{"b64": base64.b64encode(v).decode()} for v in array]
        if array.dtype == object
        else array.tolist()
        for name, array in inputs.items()
    }
    rows = [
        dict(zip(columns, row, strict=True))
        for row in zip(*columns.values(), strict=True)
    ]
    content = {"signature_name": signature, "instances": rows}
    return json.dumps(content).encode()


def _png(image: np.ndarray) -> bytes:
    levels = np.round(image * 255).astype(np.uint8)
    if levels.shape[-1] == 1:
        levels = levels[..., 0]
    file = io.BytesIO()
    PIL.Image.fromarray(levels).save(file, "PNG")
    return file.getvalue()
