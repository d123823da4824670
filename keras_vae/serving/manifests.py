"""Texts of the compose file and of the Kubernetes manifest.

Every value that is meant as a string is quoted: without quotes YAML reads
`1`, `null`, `on` or `1e3` as something else.
"""

import json
import re
import textwrap
from collections.abc import Sequence
from typing import Any

__all__ = ["compose", "kubernetes"]


def compose(export_path: str, **values: Any) -> str:
    """Returns a compose file with one server.

    Args:
        export_path: The model's folder, from that of the file.
        **values: name, image, flags, cpus, memory, host, grpc_port,
            rest_port.
    """
    name, rest = values["name"], values["rest_port"]
    host = values["host"]
    if ":" in host:  # IPv6.
        host = f"[{host}]"
    ports = [f"{host}:{port}:{port}" for port in (values["grpc_port"], rest)]
    # The image has bash and grep, and no curl.
    probe = (
        f"exec 3<>/dev/tcp/127.0.0.1/{rest} && "
        rf"printf 'GET /v1/models/{name} HTTP/1.0\r\n\r\n' >&3 && "
        "grep -q AVAILABLE <&3"
    )
    # A folder is mounted and not its files: those are replaced by renaming.
    return f"""\
# Starts TF Serving on {name}:  docker compose -f FILE up
# It asks nobody who they are: all who reach the ports may ask the model.
services:
  serving:
    image: {_text(_literal(values["image"]))}
    entrypoint: ["tensorflow_model_server"]
    command:
{_list(values["flags"], 6)}
    ports:
{_list(ports, 6)}
    volumes:
      - type: bind
        source: {_text(_literal(_relative(export_path)))}
        target: {_text(f"/models/{name}")}
        read_only: true
      - type: bind
        source: "."
        target: "/config"
        read_only: true
    cpus: {values["cpus"]}
    mem_limit: {_text(_compose_memory(values["memory"]))}
    healthcheck:
      test: ["CMD", "bash", "-c", {_text(probe)}]
      interval: 10s
      timeout: 5s
      retries: 3
      start_period: 120s
    restart: unless-stopped
"""


def kubernetes(configuration: dict[str, str], **values: Any) -> str:
    """Returns a ConfigMap, a PersistentVolumeClaim, a Deployment, a Service.

    Args:
        configuration: Name of a file in /config -> its text.
        **values: As for `compose`, with replicas and metrics_path.
    """
    app = _dns_label(values["name"])
    parts = [
        _config_map(app, configuration),
        _claim(app, values["replicas"]),
        _deployment(app, **values),
        _service(app, values["grpc_port"], values["rest_port"]),
    ]
    return "---\n".join(parts)


def _config_map(app: str, configuration: dict[str, str]) -> str:
    data = "".join(
        f"  {name}: |\n{textwrap.indent(text, ' ' * 4)}"
        for name, text in configuration.items()
    )
    return f"""\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {_text(f"{app}-config")}
  labels: {{app: {_text(app)}}}
data:
{data}"""


def _claim(app: str, replicas: int) -> str:
    mode = "ReadWriteOnce" if replicas == 1 else "ReadWriteMany"
    return f"""\
# The export goes in here: the version folders at the top.
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {_text(f"{app}-models")}
  labels: {{app: {_text(app)}}}
spec:
  accessModes: [{mode}]
  resources:
    requests: {{storage: 1Gi}}
"""


def _deployment(app: str, **values: Any) -> str:
    path = _text(f"/v1/models/{values['name']}")
    status = f"{{path: {path}, port: rest}}"
    resources = (
        f'{{cpu: "{values["cpus"]}", memory: {_text(values["memory"])}}}'
    )
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {_text(app)}
  labels: {{app: {_text(app)}}}
spec:
  replicas: {values["replicas"]}
  selector:
    matchLabels: {{app: {_text(app)}}}
  strategy:
    type: RollingUpdate
    rollingUpdate: {{maxUnavailable: 0, maxSurge: 1}}
  template:
    metadata:
      labels: {{app: {_text(app)}}}
      annotations:
        prometheus.io/scrape: "true"
        prometheus.io/port: "{values["rest_port"]}"
        prometheus.io/path: {_text(values["metrics_path"])}
    spec:
      automountServiceAccountToken: false
      containers:
        - name: serving
          image: {_text(values["image"])}
          command: ["tensorflow_model_server"]
          args:
{_list(values["flags"], 12)}
          ports:
            - {{name: grpc, containerPort: {values["grpc_port"]}}}
            - {{name: rest, containerPort: {values["rest_port"]}}}
          # The ports open when the model is loaded and warmed up.
          startupProbe:
            httpGet: {status}
            periodSeconds: 5
            failureThreshold: 60
          readinessProbe:
            httpGet: {status}
            periodSeconds: 5
            timeoutSeconds: 2
          livenessProbe:
            httpGet: {status}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          # Requests on their way are answered before the server ends.
          lifecycle:
            preStop:
              exec: {{command: ["sleep", "5"]}}
          resources:
            requests: {resources}
            limits: {resources}
          securityContext:
            allowPrivilegeEscalation: false
          volumeMounts:
            - name: models
              mountPath: {_text(f"/models/{values['name']}")}
              readOnly: true
            - {{name: config, mountPath: /config, readOnly: true}}
      volumes:
        - name: models
          persistentVolumeClaim: {{claimName: {_text(f"{app}-models")}}}
        - name: config
          configMap: {{name: {_text(f"{app}-config")}}}
"""


def _service(app: str, grpc_port: int, rest_port: int) -> str:
    return f"""\
apiVersion: v1
kind: Service
metadata:
  name: {_text(app)}
  labels: {{app: {_text(app)}}}
spec:
  # Within the cluster alone, where every pod may ask: the server asks nobody
  # who they are.
  type: ClusterIP
  selector: {{app: {_text(app)}}}
  ports:
    - {{name: grpc, port: {grpc_port}, targetPort: grpc}}
    - {{name: rest, port: {rest_port}, targetPort: rest}}
"""


def _dns_label(name: str) -> str:
    """Returns a name as Kubernetes takes it for a Service (RFC 1035)."""
    label = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
    if not label[:1].isalpha():
        label = f"model-{label}"
    return label[:50].rstrip("-")


def _text(value: str) -> str:
    """Returns a string in quotes, as YAML and JSON write it."""
    text = json.dumps(value, ensure_ascii=False)
    # YAML takes no surrogate pairs, and some characters only as escapes.
    return re.sub(r"[^\0-~]", lambda m: f"\\U{ord(m[0]):08X}", text)


def _list(values: Sequence[str], indent: int) -> str:
    return textwrap.indent(
        "\n".join(f"- {_text(value)}" for value in values), " " * indent
    )


def _literal(text: str) -> str:
    """Returns a text in which compose sees no variables."""
    return text.replace("$", "$$")


def _relative(path: str) -> str:
    # Compose takes a source without a leading dot for the name of a volume.
    return path if path.startswith((".", "/")) else f"./{path}"


def _compose_memory(memory: str) -> str:
    # "2Gi" of Kubernetes is "2g" of compose.
    return memory.removesuffix("i").lower()
