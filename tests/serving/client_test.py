"""Tests of the client against an export, and the protocol check's server."""

import concurrent.futures
import io

import numpy as np
import PIL.Image
import pytest
import trustme

from keras_vae.config import (
    DenseConfig,
    TrainingConfig,
    VAEConfig,
)
from keras_vae.data import DataConfig
from keras_vae.errors import UserError
from keras_vae.models import build_model
from keras_vae.serving import Client, export
from keras_vae.training import ExperimentConfig, TrainedModel
from tests.serving.protocol import asking
from tests.serving.protocol.batching import BatchingParameters
from tests.serving.protocol.server import Tls, running_server

_SHAPE = (4, 5, 1)
_KINDS = ("folder", "grpc", "rest")


@pytest.fixture(scope="module")
def export_dir(tmp_path_factory):
    """An export of a small model with its first weights."""
    config = VAEConfig(
        architecture=DenseConfig((8,)), latent_dim=2, batch_size=10
    )
    model = build_model(config, _SHAPE, likelihood="bernoulli")
    model(np.zeros([1, *_SHAPE], np.float32))
    experiment = ExperimentConfig(
        DataConfig("mnist_5k"), config, TrainingConfig(epochs=3)
    )
    path = tmp_path_factory.mktemp("client") / "model"
    export(TrainedModel(model, experiment, experiment.prepare()), path)
    return path


@pytest.fixture(scope="module")
def server(export_dir):
    """A server that takes up to 16 rows at a time."""
    sizes = BatchingParameters(max_batch_size=16, allowed_batch_sizes=(4, 16))
    with running_server(export_dir, batching=sizes) as running:
        yield running


@pytest.fixture(scope="module")
def targets(export_dir, server):
    addresses = (export_dir, server.grpc_address, server.rest_address)
    return dict(zip(_KINDS, addresses))


@pytest.fixture(scope="module", params=_KINDS)
def client(request, targets):
    target = targets[request.param]
    with Client(target, model_name="vae", batch_size=16) as asked:
        yield asked


@pytest.fixture(scope="module")
def images():
    random = np.random.default_rng(0)
    return random.uniform(size=[50, *_SHAPE]).astype(np.float32)


def _png(height=4, width=5):
    file = io.BytesIO()
    PIL.Image.new("L", [width, height], 128).save(file, "PNG")
    return file.getvalue()


def test_all_answer_the_same(client, export_dir, images):
    with Client(export_dir, batch_size=64) as plain:
        close = {"rtol": 1e-5, "atol": 1e-6}
        answers = client.reconstruct(images)
        assert answers.shape == images.shape and answers.dtype == np.float32
        np.testing.assert_allclose(answers, plain.reconstruct(images), **close)
        for found, expected in (
            (client.encode(images), plain.encode(images)),
            (client.score(images, seed=3), plain.score(images, seed=3)),
        ):
            assert found.keys() == expected.keys()
            for name, values in expected.items():
                np.testing.assert_allclose(found[name], values, **close)
        z = plain.encode(images)["mean"]
        np.testing.assert_allclose(client.decode(z), plain.decode(z), **close)
        np.testing.assert_allclose(
            client.sample(40, seed=1, temperature=0.5),
            plain.sample(40, seed=1, temperature=0.5),
            **close,
        )
        files = [_png()] * 18
        assert client.reconstruct_bytes(files) == plain.reconstruct_bytes(files)


def test_model_tells_what_it_takes(client, export_dir):
    with Client(export_dir) as plain:
        assert client.signatures == plain.signatures
    assert client.image_shape == _SHAPE
    assert client.latent_dim == 2
    assert not client.is_conditional
    score = client.signatures["score"]
    assert score.inputs["seed"].dtype == np.int32
    assert score.inputs["image"].shape == (None, *_SHAPE)
    assert set(score.outputs) == {"elbo", "log_likelihood", "kl_divergence"}


def test_threads_share_a_client(client, images):
    expected = client.reconstruct(images)

    def ask(first):
        return client.reconstruct(images[first : first + 20])

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for first, answer in zip(range(30), pool.map(ask, range(30))):
            np.testing.assert_allclose(
                answer, expected[first : first + 20], rtol=1e-5, atol=1e-6
            )


def test_stream_is_taken_as_it_is_needed(client, images):
    taken = []

    def batches():
        for start in range(0, 50, 5):
            taken.append(start)
            yield {"image": images[start : start + 5]}

    answers = client.ask_batches("reconstruct", batches())
    first = next(answers)["reconstruction"]
    assert len(taken) <= client.max_in_flight + 1
    rest = [answer["reconstruction"] for answer in answers]
    np.testing.assert_allclose(
        np.concatenate([first, *rest]),
        client.reconstruct(images),
        rtol=1e-5,
        atol=1e-6,
    )


_IMAGE = np.zeros([1, *_SHAPE], np.float32)
_HUGE = np.full([1, *_SHAPE], 1e300)


@pytest.mark.parametrize(
    ("name", "inputs", "message"),
    [
        ("encod", {"image": _IMAGE}, "no such signature.*'encode'"),
        ("encode", {}, "encode takes image. Received: nothing"),
        ("encode", {"imag": _IMAGE}, "no such input.*'image'"),
        ("score", {"image": _IMAGE}, "score takes image, seed"),
        ("encode", {"image": _IMAGE.astype(np.uint8)}, "divide.*uint8"),
        ("encode", {"image": _IMAGE[0]}, r"\[batch, 4, 5, 1\].*\[4, 5, 1\]"),
        ("encode", {"image": _IMAGE[:, :3]}, r"Received: \[1, 3, 5, 1\]"),
        ("encode", {"image": _IMAGE[:0]}, "at least one row"),
        ("encode", {"image": _IMAGE + np.nan}, "finite.*NaN.*row 0"),
        (
            "encode",
            {"image": _HUGE},
            "finite.*infinity",
        ),
        ("encode", {"image": _IMAGE + 2}, r"\[0, 1\]. Received: 2 ... 2"),
        ("encode", {"image": "text"}, "image must be float32"),
        ("encode", {"image": [[1.0], [1.0, 2.0]]}, "several shapes"),
        ("encode", {"image": _IMAGE, "label": [1]}, "takes no label"),
        ("decode", {"z": np.zeros([3, 5])}, r"\[batch, 2\].*\[3, 5\]"),
        ("decode", {"z": np.full([1, 2], np.inf)}, "finite"),
        ("sample", {"seed": [[1, 2]], "temperature": [-1.0]}, "at least 0"),
        ("sample", {"seed": [[1, 2**31]], "temperature": [1.0]}, "fit int32"),
        ("sample", {"seed": [[1.0, 2]], "temperature": [1.0]}, "be int32"),
        ("sample", {"seed": [[1, 2]], "temperature": [1.0] * 2}, "same number"),
        ("reconstruct_bytes", {"image_bytes": b"x"}, "list of bytes"),
        ("reconstruct_bytes", {"image_bytes": ["x"]}, "list of bytes.*str"),
        ("reconstruct_bytes", {"image_bytes": [b""]}, "0 bytes.*image_bytes"),
    ],
)
def test_inputs_are_checked_before_they_are_sent(name, inputs, message, client):
    with pytest.raises(UserError, match=message):
        client.ask(name, **inputs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num": 0}, "num must be 1 ... .*num=0"),
        ({"num": 2.5}, "num must be.*whole number.*2.5"),
        ({"num": True}, "num must be.*True"),
        ({"num": "4"}, "num must be.*'4'"),
        ({"num": 2**31}, "num must be 1 ... 2147483647"),
        ({"seed": -1}, "seed must be 0 ...*seed=-1"),
        ({"seed": 0.5}, "seed must be.*whole number.*0.5"),
        ({"seed": 2**31}, "seed must be"),
        ({"seed": None}, "seed must be.*None"),
        ({"temperature": -1}, "temperature must be.*temperature=-1"),
        ({"temperature": float("nan")}, "temperature must be.*nan"),
        ({"temperature": 1e39}, "temperature must be finite|must be a finite"),
        ({"temperature": "1"}, "temperature must be.*'1'"),
        ({"temperature": None}, "temperature must be.*None"),
        ({"temperature": [1.0, 1.0]}, "temperature must be"),
        ({"label": 0}, "not conditional.*Received: label=0"),
    ],
    ids=str,
)
def test_what_sample_cannot_use_is_refused(options, message, client):
    with pytest.raises(UserError, match=message):
        client.sample(**{"num": 2, **options})


def test_numbers_of_numpy_are_taken(client):
    found = client.sample(
        np.int64(2), seed=np.uint8(1), temperature=np.float32(0.5)
    )
    np.testing.assert_array_equal(
        found, client.sample(2, seed=1, temperature=0.5)
    )


def test_row_that_cannot_be_used_is_named(client, images):
    for row, value in ((0, np.nan), (7, 1.5), (49, -np.inf)):
        bad = images.copy()
        bad[row, 1, 2, 0] = value
        for ask in (client.reconstruct, client.encode, client.score):
            with pytest.raises(UserError, match=f"in row {row}$"):
                ask(bad)
    temperature = np.ones(50)
    temperature[33] = -1
    seed = np.zeros([50, 2], np.int64)
    with pytest.raises(UserError, match="at least 0. Received: -1 in row 33$"):
        client.ask("sample", seed=seed, temperature=temperature)


@pytest.fixture(scope="module")
def conditional(tmp_path_factory):
    """A client of an export that knows three classes."""
    config = VAEConfig(architecture=DenseConfig((8,)), latent_dim=2)
    names = ("a", "b", "c")
    model = build_model(
        config, _SHAPE, likelihood="bernoulli", class_names=names
    )
    path = tmp_path_factory.mktemp("conditional") / "model"
    experiment = ExperimentConfig(
        DataConfig("mnist_5k"), config, TrainingConfig()
    )
    export(TrainedModel(model, experiment, experiment.prepare()), path)
    with Client(path) as asked:
        yield asked


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (None, "model is conditional"),
        (3, "label must be a class, 0 ... 2. Received: label=3$"),
        (-1, "label must be a class, 0 ... 2. Received: label=-1$"),
        ([0, 1, 2, 3], "Received: label=3$"),
        (np.array([0, 1, 2, 3]), "Received: label=3$"),
        (0.7, "label must be a class, 0 ... 2. Received: label=0.7"),
        ([0, 1, 2, 0.7], "Received: label=0.7"),
        (True, "label must be a class, 0 ... 2. Received: label=True"),
        ("d", "or a name.*Received: label=d"),
        ("a,d", "or a name.*Received: label=d"),
        ("folders", "where files are read"),
        ([0, 1], "one for each. Received: 2 labels for 4 rows"),
        ([[0, 1, 2, 0]], "label must be a class, 0 ... 2"),
        ([[0], [1, 2]], "label must be a class, 0 ... 2"),
        (2**40, "label must be a class, 0 ... 2"),
    ],
    ids=str,
)
def test_label_that_is_no_class_is_refused(label, message, conditional):
    with pytest.raises(UserError, match=message):
        conditional.sample(4, label=label)
    with pytest.raises(UserError, match=message):
        conditional.decode(np.zeros([4, 2]), label=label)


def test_each_row_has_its_own_label(conditional):
    both = conditional.sample(6, seed=2, label=[0, 1, 2, 2, 1, 0])
    for label in range(3):
        alone = conditional.sample(6, seed=2, label=label)
        rows = [label, 5 - label]
        np.testing.assert_allclose(both[rows], alone[rows], atol=1e-6)
        others = [(label + 1) % 3]
        assert np.abs(both[others] - alone[others]).max() > 1e-4


def test_files_are_checked_before_they_are_sent(client, tmp_path):
    for file, message in (
        (_png(5, 4), "resize the file. Received: 5x4 in its bytes"),
        (b"no image", "cannot be read.*not a PNG"),
        (asking.bomb(), "claims more than .* pixels"),
        (tmp_path / "no.png", "No such file.*no.png"),
        (b"\0" * (17 << 20), "more than 16 MiB"),
    ):
        with pytest.raises(UserError, match=message):
            client.reconstruct_bytes([_png(), file])


def test_model_refuses_a_truncated_file_in_words(client):
    with pytest.raises(UserError, match="refused the request.*PNG"):
        client.reconstruct_bytes([_png()[:60]])
    assert len(client.reconstruct_bytes([_png()])) == 1  # Goes on answering.


@pytest.mark.parametrize("kind", ["grpc", "rest"])
def test_unknown_model_and_version_are_named(kind, targets):
    for options, message in (
        ({"model_name": "gan"}, r"no such model or version.*gan"),
        ({"model_name": "vae", "version": 9}, r"no such model.*9"),
    ):
        with (
            Client(targets[kind], **options) as asked,
            pytest.raises(UserError, match=message),
        ):
            asked.sample(1)


@pytest.mark.parametrize("kind", ["grpc", "rest"])
def test_server_s_own_words_are_passed_on(kind, targets, images):
    # It takes 16 rows at most.
    with (
        Client(targets[kind], model_name="vae") as asked,
        pytest.raises(UserError, match="refused.*Task size 50 is larger"),
    ):
        asked.reconstruct(images)


def test_ten_thousand_rows_go_in_requests_that_a_server_takes(
    targets, export_dir
):
    z = np.random.default_rng(1).normal(size=[10_000, 2])
    with Client(export_dir, batch_size=10_000) as plain:
        expected = plain.decode(z)
    with Client(targets["grpc"], model_name="vae", batch_size=16) as asked:
        found = asked.decode(z)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_version_of_a_folder_can_be_chosen(export_dir):
    with Client(export_dir, version=1) as asked:
        assert asked.sample(1).shape == (1, *_SHAPE)
    with pytest.raises(UserError, match="No SavedModel found"):
        Client(export_dir, version=2)


def test_address_of_the_other_interface_is_recognised(server):
    rest = server.rest_address.removeprefix("http://")
    for target, message in (
        (rest, "speaks HTTP/1.*http://"),
        (f"http://{server.grpc_address}", "no HTTP server.*host:port"),
        (f"grpcs://{server.grpc_address}", "No TLS connection"),
        (f"https://{rest}", "No TLS connection"),
    ):
        with (
            Client(target, model_name="vae", retries=0) as asked,
            pytest.raises(UserError, match=message),
        ):
            asked.sample(1)


def test_large_images_go_in_smaller_requests(export_dir):
    with Client(export_dir, batch_size=100_000) as asked:
        # 20 floats in, 20 out: 3 MiB are 39,321 of them.
        assert asked.rows_per_request("reconstruct") == 39_321
        assert asked.rows_per_request("decode") == 39_321
    with Client(export_dir, batch_size=7) as asked:
        assert asked.rows_per_request("reconstruct") == 7


def test_certificates_are_checked(export_dir, tmp_path):
    ca, other = trustme.CA(), trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    other.cert_pem.write_to_path(tmp_path / "other.pem")
    for host in ("127.0.0.1", "models.example.org"):
        certificate = ca.issue_cert(host)
        certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
        (tmp_path / "cert.pem").write_bytes(
            b"".join(pem.bytes() for pem in certificate.cert_chain_pems)
        )
        tls = Tls(str(tmp_path / "key.pem"), str(tmp_path / "cert.pem"))
        with running_server(export_dir, tls=tls) as server:
            for target in (server.grpc_address, server.rest_address):
                for name in ("ca", "other"):
                    path = tmp_path / f"{name}.pem"
                    with Client(target, model_name="vae", tls_ca=path) as asked:
                        if name == "ca" and host == "127.0.0.1":
                            assert len(asked.sample(2)) == 2
                            continue
                        message = "certificate is refused.*tls_ca"
                        with pytest.raises(UserError, match=message):
                            asked.sample(1)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
