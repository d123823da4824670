"""Tests of `apps/predict.py --server`, against the protocol check."""

import contextlib
import csv
import socket

import numpy as np
import pytest
import trustme
from PIL import Image

from keras_vae.serving import Client
from tests.apps import app
from tests.images import read_images
from tests.serving.protocol.batching import BatchingParameters
from tests.serving.protocol.server import Tls, running_server


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the apps run, and write."""
    return tmp_path_factory.mktemp("predict_server")


@pytest.fixture(scope="module")
def digits(trained_run):
    """A folder of eight test images that training wrote."""
    return trained_run.workdir / "pictures" / "test_images"


@pytest.fixture(scope="module")
def results(trained_run, warm_process, folder, digits):
    """What each of the apps' processes came to, by name."""
    ca = trustme.CA()
    certificate = ca.issue_cert("models.example.org")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    ca.cert_pem.write_to_path(folder / "ca.pem")
    np.savez(folder / "nan.npz", z=np.full([2, 4], np.nan))
    tls = Tls(folder / "key.pem", folder / "cert.pem")
    with contextlib.ExitStack() as stack:
        # It accepts connections, and says nothing.
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        with socket.create_server(("127.0.0.1", 0)) as free:
            absent = free.getsockname()[1]
        model = {"model_name": "digits"}
        # More rows in a request are refused.
        fours = BatchingParameters(max_batch_size=4, allowed_batch_sizes=(4,))
        server, other = (
            stack.enter_context(
                running_server(
                    trained_run.export_dir, **model, tls=each, batching=fours
                )
            )
            for each in (None, tls)
        )
        named = ("--model_name=digits", "--batch_size=4")
        grpc, rest = server.grpc_address, server.rest_address
        commands = {
            "gRPC": ("reconstruct", grpc, "pairs", *named, digits),
            "REST": ("score", rest, "scores.csv", *named, "--seed=3", digits),
            "new": (
                *("sample", grpc, "new", *named, "--version=1", "--seed=4"),
                *("--num_images=5", "--temperature=0.5"),
            ),
            "version": ("sample", rest, "e.png", *named, "--version=9"),
            "absent": ("sample", f"127.0.0.1:{absent}", "a.png", "--retries=1"),
            "silent": (
                "sample",
                f"http://127.0.0.1:{silent.getsockname()[1]}",
                "b.png",
                "--timeout=0.5",
            ),
            "NaN": ("decode", rest, "c.png", *named, "nan.npz"),
            "other host": (
                "sample",
                other.grpc_address,
                "d.png",
                "--tls_ca=ca.pem",
            ),
        }
        yield {
            name: warm_process.run(
                "predict",
                verb,
                f"--server={address}",
                f"--output={output}",
                *more,
                cwd=folder,
            )
            for name, (verb, address, output, *more) in commands.items()
        }


def test_pictures_come_over_grpc(results, trained_run, folder, digits):
    result = results["gRPC"]
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "wrote pairs\n"
    files, images = read_images(digits)
    with Client(trained_run.export_dir) as client:
        expected = client.reconstruct(images)[..., 0] * 255
    written = sorted((folder / "pairs").iterdir())
    assert [path.name[7:] for path in written] == [path.name for path in files]
    for path, levels in zip(written, expected, strict=True):
        with Image.open(path) as picture:
            found = np.asarray(picture).astype(np.float32)
        np.testing.assert_allclose(found, levels, atol=0.501)


def test_samples_are_those_that_were_asked_for(results, trained_run, folder):
    assert results["new"].stdout == "wrote new\n"
    with Client(trained_run.export_dir) as client:
        expected = client.sample(5, seed=4, temperature=0.5)[..., 0] * 255
    written = sorted((folder / "new").iterdir())
    for path, levels in zip(written, expected, strict=True):
        with Image.open(path) as picture:
            found = np.asarray(picture).astype(np.float32)
        np.testing.assert_allclose(found, levels, atol=0.501)


def test_a_table_comes_over_rest(results, trained_run, folder, digits):
    result = results["REST"]
    assert (result.returncode, result.stderr) == (0, "")
    files, images = read_images(digits)
    with Client(trained_run.export_dir) as client:
        expected = client.score(images, seed=3)
    with (folder / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == [str(path) for path in files]
    for name, values in expected.items():
        found = [float(row[name]) for row in rows]
        np.testing.assert_allclose(found, values, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("absent", ["cannot be reached", "refused", "(2 tries)"]),
        ("silent", ["did not answer within 0.5 s", "http://127.0.0.1:"]),
        ("version", ["no such model or version", "digits/versions/9"]),
        ("NaN", ["latents must be finite", "nan.npz"]),
        ("other host", ["certificate is refused", "tls_ca"]),
    ],
)
def test_what_fails_is_said_and_nothing_is_written(
    name, parts, results, folder
):
    app.assert_refused(results[name], *parts)
    assert len(results[name].stderr.splitlines()) <= 2
    assert not list(folder.glob("?.png"))
    assert not list(folder.glob(".partial-*"))


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
