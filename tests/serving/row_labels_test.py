"""A label has one meaning, in a folder and on a server."""

import contextlib
import pathlib
import types

import numpy as np
import pytest

from keras_vae.config import TrainingConfig, VAEConfig
from keras_vae.data import DataConfig
from keras_vae.errors import UserError
from keras_vae.serving import Client, export
from keras_vae.serving.row_labels import labels_of_rows
from keras_vae.training import ExperimentConfig, TrainedModel
from tests.models.cases import IMAGE, make_model
from tests.serving.protocol.server import running_server

_NAMES = ("1", "2", "drei")


@pytest.fixture(scope="module")
def clients(tmp_path_factory):
    """Clients of one conditional model by the way that they ask it."""
    folder = tmp_path_factory.mktemp("labels")
    experiment = ExperimentConfig(
        DataConfig("mnist_5k"), VAEConfig(num_classes="auto"), TrainingConfig()
    )
    model = make_model(num_classes="auto", class_names=_NAMES)
    export(TrainedModel(model, experiment, experiment.prepare()), folder)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(running_server(folder, model_name="m"))
        targets = {
            "folder": folder,
            "grpc": server.grpc_address,
            "rest": server.rest_address,
        }
        yield {
            kind: stack.enter_context(
                # Two at a time, so that three take more than one question.
                Client(target, model_name="m", batch_size=2)
            )
            for kind, target in targets.items()
        }


@pytest.fixture(params=["folder", "grpc", "rest"])
def client(clients, request):
    return clients[request.param]


def test_classes_are_known(client):
    assert client.class_names == list(_NAMES)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("1", [0, 0]),
        ("drei,2", [2, 1]),
        (["drei", "1"], [2, 0]),
        (np.array([2, 0]), [2, 0]),
    ],
)
def test_labels_are_names_first(label, expected, client):
    assert labels_of_rows(client, label, 2).tolist() == expected


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("reconstruct", [np.zeros([2, *IMAGE])]),
        ("encode", [np.zeros([2, *IMAGE])]),
        ("decode", [np.zeros([2, 3])]),
        ("sample", [2]),
        ("score", [np.zeros([2, *IMAGE])]),
    ],
)
def test_every_verb_takes_names(verb, arguments, client):
    ask = getattr(client, verb)

    def answer(label):
        found = ask(*arguments, label=label)
        return np.concatenate(
            [np.ravel(part) for part in found.values()]
            if isinstance(found, dict)
            else [found.ravel()]
        )

    expected = answer(np.array([2, 0]))
    for label in ("drei,1", ["drei", "1"]):
        np.testing.assert_array_equal(answer(label), expected)
    assert np.abs(answer("1") - expected).max() > 1e-4
    for label, message in ((1, "as text"), ("dre", "Did you mean 'drei'")):
        with pytest.raises(UserError, match=message):
            answer(label)


def test_folders_are_names(client):
    files = [pathlib.Path("2/a.png"), pathlib.Path("drei/b.png")]
    rows = labels_of_rows(client, "folders", 2, files=files)
    assert rows.tolist() == [1, 2]


def test_a_class_may_be_named_folders():
    model = types.SimpleNamespace(
        is_conditional=True, class_names=["files", "folders"], num_classes=2
    )
    files = [pathlib.Path("files/a.png"), pathlib.Path("files/b.png")]
    rows = labels_of_rows(model, "folders", 2, files=files)
    assert rows.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("label", "files", "message"),
    [
        ("0", None, "name of a class.*Received: label=0"),
        ("3", None, "name of a class.*Received: label=3"),
        (3, None, r"0 \.\.\. 2\. Received: label=3"),
        (1, None, "name of a class, as text.*Received: label=1"),
        ("dre", None, "Did you mean 'drei'"),
        ("0.7", None, "Received: label=0.7"),
        ("folders", None, "where files are read"),
        ("folders", ["0/a.png", "1/b.png"], "no class.*Received: 0/a.png"),
        (None, None, "give a label, such as --label=1. Received"),
    ],
)
def test_what_is_no_class_is_refused_everywhere(label, files, message, client):
    paths = files and [pathlib.Path(file) for file in files]
    with pytest.raises(UserError, match=message):
        labels_of_rows(client, label, 2, files=paths)


def test_server_of_an_earlier_export_takes_numbers_and_it_is_said(capsys):
    class Earlier:
        is_conditional = True
        class_names = None
        num_classes = None

    rows = labels_of_rows(Earlier(), "1,0", 2)
    np.testing.assert_array_equal(rows, [1, 0])
    assert "does not tell the names" in capsys.readouterr().err


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
