"""Texts of the compose file and of the Kubernetes manifest.

Strings are written as JSON, which YAML reads as it is meant.
"""

import json
import re
import textwrap
from typing import Any

__all__ = ["compose", "kubernetes"]


def compose(export_path: str, **values: Any) -> str:
    """Returns a compose file with one server.

    Args:
        export_path: The model's folder, from that of the file.
        **values: name, image, flags, cpus, memory, grpc_port, rest_port.
    """
    name, rest = values["name"], values["rest_port"]
    # The image has bash and grep, and no curl.
    probe = (
        f"exec 3<>/dev/tcp/127.0.0.1/{rest} && "
        rf"printf 'GET /v1/models/{name} HTTP/1.0\r\n\r\n' >&3 && "
        "grep -q AVAILABLE <&3"
    )
    # A folder is mounted and not its files: those are replaced by renaming.
    return f"""\
# Starts TF Serving on {name}:  docker compose -f FILE up
services:
  serving:
    image: {_text(values["image"])}
    entrypoint: ["tensorflow_model_server"]
    command:
{_flags(values["flags"], 6)}
    ports:
      - "{values["grpc_port"]}:{values["grpc_port"]}"
      - "{rest}:{rest}"
    volumes:
      - type: bind
        source: {_text(_relative(export_path))}
        target: "/models/{name}"
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
    # Names of objects are DNS labels.
    app = re.sub("[^a-z0-9-]+", "-", values["name"].lower()).strip("-")[:50]
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
  name: {app}-config
  labels: {{app: {app}}}
data:
{data}"""


def _claim(app: str, replicas: int) -> str:
    mode = "ReadWriteOnce" if replicas == 1 else "ReadWriteMany"
    return f"""\
# The export goes in here: the version folders at the top.
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {app}-models
  labels: {{app: {app}}}
spec:
  accessModes: [{mode}]
  resources:
    requests: {{storage: 1Gi}}
"""


def _deployment(app: str, **values: Any) -> str:
    status = f"{{path: /v1/models/{values['name']}, port: rest}}"
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {app}
  labels: {{app: {app}}}
spec:
  replicas: {values["replicas"]}
  selector:
    matchLabels: {{app: {app}}}
  strategy:
    type: RollingUpdate
    rollingUpdate: {{maxUnavailable: 0, maxSurge: 1}}
  template:
    metadata:
      labels: {{app: {app}}}
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
{_flags(values["flags"], 12)}
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
            requests: {{cpu: "{values["cpus"]}", memory: {values["memory"]}}}
            limits: {{cpu: "{values["cpus"]}", memory: {values["memory"]}}}
          securityContext:
            allowPrivilegeEscalation: false
          volumeMounts:
            - name: models
              mountPath: /models/{values["name"]}
              readOnly: true
            - {{name: config, mountPath: /config, readOnly: true}}
      volumes:
        - name: models
          persistentVolumeClaim: {{claimName: {app}-models}}
        - name: config
          configMap: {{name: {app}-config}}
"""


def _service(app: str, grpc_port: int, rest_port: int) -> str:
    return f"""\
apiVersion: v1
kind: Service
metadata:
  name: {app}
  labels: {{app: {app}}}
spec:
  selector: {{app: {app}}}
  ports:
    - {{name: grpc, port: {grpc_port}, targetPort: grpc}}
    - {{name: rest, port: {rest_port}, targetPort: rest}}
"""


def _text(value: str) -> str:
    return json.dumps(value)


def _flags(flags: list[str], indent: int) -> str:
    return textwrap.indent(
        "\n".join(f"- {_text(flag)}" for flag in flags), " " * indent
    )


def _relative(path: str) -> str:
    # Compose takes a source without a leading dot for the name of a volume;
    # and `$` begins a variable.
    path = path if path.startswith((".", "/")) else f"./{path}"
    return path.replace("$", "$$")


def _compose_memory(memory: str) -> str:
    # "2Gi" of Kubernetes is "2g" of compose.
    return memory.removesuffix("i").lower()
