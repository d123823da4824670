"""From the settings of a client to what answers it."""

import numbers
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from keras_vae.errors import UserError, shown
from keras_vae.serving.address import (
    ServerAddress,
    is_address,
    parse_address,
    read_certificates,
)
from keras_vae.serving.backend import Backend
from keras_vae.serving.exported import ExportedModel
from keras_vae.serving.rest_backend import RestBackend
from keras_vae.serving.setting_checks import whole_number

__all__ = ["check_settings", "connect", "parse_target"]

_MAX_COUNT = 2**31 - 1
_MAX_COUNTS = {"version": 2**63 - 1}
_MAX_TIMEOUT = 86_400


def check_settings(
    counts: Mapping[str, int | None], timeout: float, retries: int
) -> None:
    """Raises UserError unless all settings of a client are possible.

    Args:
        counts: Whole numbers of at least 1 by name, or None.
        timeout: Seconds.
        retries: A whole number of at least 0.
    """
    for name, value in counts.items():
        if value is not None:
            whole_number(name, value, 1, _MAX_COUNTS.get(name, _MAX_COUNT))
    whole_number("retries", retries, 0, _MAX_COUNT)
    if not isinstance(timeout, numbers.Real) or isinstance(timeout, bool):
        raise UserError(
            f"timeout must be a number. Received: timeout={timeout!r}"
        )
    if not 0 < timeout <= _MAX_TIMEOUT:
        raise UserError(
            f"timeout must be above 0 and at most {_MAX_TIMEOUT} seconds. "
            f"Received: timeout={shown(timeout)}"
        )


def parse_target(
    target: Any, model_name: Any
) -> str | os.PathLike[str] | ServerAddress:
    """Returns a target, an address as a `ServerAddress`.

    Raises:
        UserError: If it is neither a folder nor an address, or the name of
            the model is none.
    """
    is_path = isinstance(target, os.PathLike) and isinstance(
        os.fspath(target), str
    )
    if not (isinstance(target, str | ServerAddress) or is_path):
        raise UserError(
            "target must be the folder of an export or the address of a "
            f"server, as text. Received: target={shown(target, repr)}"
        )
    if not (isinstance(model_name, str) and model_name.isprintable()):
        raise UserError(
            "model_name must be text of one line. "
            f"Received: model_name={shown(model_name, repr)}"
        )
    if isinstance(target, str) and is_address(target):
        return parse_address(target)
    return target


def connect(
    target: str | os.PathLike[str] | ServerAddress,
    model_name: str,
    version: int | None,
    timeout: float,
    connections: int,
    tls_ca: str | os.PathLike[str] | None,
) -> Backend:
    """Returns what answers: an export in process, or a server.

    Args:
        target: What `parse_target` returned.
        connections: Requests that it is asked at the same time, at most.
        model_name, version, timeout, tls_ca: As `Client` takes them.

    Raises:
        UserError: If there is no such export, or the certificate cannot be
            read.
    """
    certificates = None if tls_ca is None else read_certificates(tls_ca)
    if not isinstance(target, ServerAddress):
        if tls_ca is not None:
            raise UserError(
                "tls_ca is for servers, and an export in a folder has none. "
                f"Received: {target}"
            )
        path = pathlib.Path(target)
        return ExportedModel(path if version is None else path / str(version))
    if not target.is_rest:
        # Loads gRPC, which the others do without.
        from keras_vae.serving.grpc_backend import GrpcBackend

        return GrpcBackend(target, model_name, version, timeout, certificates)
    if tls_ca is not None and not target.secure:
        raise UserError(
            "With tls_ca the address must begin with https://. "
            f"Received: {target}"
        )
    return RestBackend(
        target, model_name, version, timeout, connections, certificates
    )
