"""Tests of verbs on a run, its export and servers: all write the same."""

import contextlib
import csv
import types
import zlib

import numpy as np
import PIL.Image
import pytest

from keras_vae.errors import UserError
from keras_vae.serving import Client
from keras_vae.use import ImageSource, score
from tests.images import read_images
from tests.serving.protocol.server import running_server
from tests.use.verbs import call

_CLOSE = {"rtol": 1e-4, "atol": 1e-5}


@pytest.fixture(scope="module", params=["folder", "grpc", "rest"])
def client(request, run):
    """A client of the export: in its folder, and behind a server."""
    with contextlib.ExitStack() as stack:
        target = run.export_dir
        if request.param != "folder":
            server = stack.enter_context(running_server(target))
            target = getattr(server, f"{request.param}_address")
        yield stack.enter_context(Client(target, model_name="vae"))


@pytest.fixture(scope="module", params=["run", "export"])
def model(request, run):
    """What is asked without a server: the run, or its export."""
    if request.param == "run":
        yield run.trained
    else:
        with Client(run.export_dir) as found:
            yield found


@pytest.fixture(scope="module")
def exported(run):
    """What the answers are held against."""
    with Client(run.export_dir) as found:
        yield found


@pytest.fixture(scope="module")
def digits(run):
    """A folder of eight test images that training wrote."""
    return run.workdir / "pictures" / "test_images"


def _levels(path):
    return np.asarray(PIL.Image.open(path))


def _tile(grid, index, columns):
    """Returns a 28x28 image of a grid of pixels that were doubled."""
    row, column = divmod(index, columns)
    top, left = (2 + n * 30 for n in (row, column))
    return grid[::2, ::2][top : top + 28, left : left + 28]


def test_reconstruct_shows_each_image_beside_its_reconstruction(
    model, exported, digits, tmp_path
):
    path = call(model, "reconstruct", [str(digits)], tmp_path / "pairs.png")
    files, images = read_images(digits)
    assert len(files) == 8
    answers = exported.reconstruct(images)
    grid = _levels(path)
    for i in range(8):
        np.testing.assert_array_equal(_tile(grid, 2 * i, 8), _levels(files[i]))
        found = _tile(grid, 2 * i + 1, 8).astype(np.float32)
        np.testing.assert_allclose(
            found, answers[i, ..., 0] * 255, atol=0.5 + 1e-3
        )
    assert [p.name for p in tmp_path.iterdir()] == ["pairs.png"]


def test_encode_writes_latents_that_decode_reads(
    model, exported, digits, tmp_path
):
    codes = call(model, "encode", [str(digits)], tmp_path / "a" / "c.npz")
    files, images = read_images(digits)
    with np.load(codes) as arrays:
        assert arrays["image"].tolist() == [str(f) for f in files]
        expected = exported.encode(images)
        for name in ("mean", "stddev"):
            np.testing.assert_allclose(arrays[name], expected[name], **_CLOSE)
    picture = call(model, "decode", [str(codes)], tmp_path / "back.png")
    decoded = exported.decode(expected["mean"])
    found = _tile(_levels(picture), 4, 3).astype(np.float32)
    np.testing.assert_allclose(found, decoded[4, ..., 0] * 255, atol=0.501)


def test_score_writes_a_row_for_each_file(model, exported, digits, tmp_path):
    path = call(model, "score", [str(digits)], tmp_path / "s.csv", seed=3)
    files, images = read_images(digits)
    seed = np.array([[3, i] for i in range(len(files))], np.int32)
    expected = exported.ask("score", image=images, seed=seed)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    scores = ["elbo", "log_likelihood", "kl_divergence"]
    assert list(rows[0]) == ["image", *scores]
    assert [row["image"] for row in rows] == [str(f) for f in files]
    for name in scores:
        found = [float(row[name]) for row in rows]
        np.testing.assert_allclose(found, expected[name], rtol=1e-5)


def test_tables_of_scores_say_what_is_known_of_their_unit(
    client, digits, tmp_path
):
    source = ImageSource(inputs=(str(digits),))
    report = score(client, source, tmp_path / "s.csv").report
    assert report in (
        "8 images, nats per image",
        "8 images, nats per image (a server does not say if of a density)",
    )
    assert ("server" in report) is not bool(client.metadata)


def test_sample_draws_as_many_as_asked_in_batches(run, model, tmp_path):
    whole = call(model, "sample", [], tmp_path / "one.png", num_images=7)
    with Client(run.export_dir, batch_size=3) as small:
        parts = call(small, "sample", [], tmp_path / "two.png", num_images=7)
    difference = _levels(whole).astype(int) - _levels(parts)
    assert np.abs(difference).max() <= 1
    other = call(
        model, "sample", [], tmp_path / "three.png", num_images=7, seed=1
    )
    assert np.abs(_levels(whole).astype(int) - _levels(other)).max() > 50


def test_cold_samples_are_all_the_same(model, tmp_path):
    path = call(
        model, "sample", [], tmp_path / "s.png", num_images=4, temperature=0.0
    )
    grid = _levels(path)
    for i in range(1, 4):
        np.testing.assert_array_equal(_tile(grid, i, 2), _tile(grid, 0, 2))


def test_folder_gets_a_picture_for_each_file(model, exported, digits, tmp_path):
    path = call(model, "reconstruct", [str(digits)], tmp_path / "pictures")
    files, images = read_images(digits)
    names = [f"{i:06d}_{file.stem}.png" for i, file in enumerate(files)]
    assert sorted(p.name for p in path.iterdir()) == names
    found = _levels(path / names[3]).astype(np.float32)
    expected = exported.reconstruct(images)[3, ..., 0] * 255
    np.testing.assert_allclose(found, expected, atol=0.501)


def test_colour_files_become_grey_where_the_model_is(model, digits, tmp_path):
    grey = PIL.Image.open(digits / "000.png")
    grey.convert("RGB").save(tmp_path / "colour.png")
    paths = [str(digits / "000.png"), str(tmp_path / "colour.png")]
    with np.load(call(model, "encode", paths, tmp_path / "e.npz")) as arrays:
        assert arrays["image"].tolist() == paths
        np.testing.assert_array_equal(arrays["mean"][0], arrays["mean"][1])


def test_a_server_answers_what_its_export_does(client, digits, tmp_path, run):
    with Client(run.export_dir) as exported:
        paths = [
            call(asked, "reconstruct", [str(digits)], tmp_path / name)
            for name, asked in (("1.png", client), ("2.png", exported))
        ]
    one, two = map(_levels, paths)
    assert np.abs(one.astype(int) - two).max() <= 1


def test_files_that_the_disk_does_not_hold_are_refused(
    model, tmp_path, monkeypatch
):
    usage = types.SimpleNamespace(free=100_000)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    with pytest.raises(UserError, match="10,000,000 images need 41 GB"):
        call(model, "sample", [], tmp_path / "new", num_images=10_000_000)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("verb", "inputs", "output", "options", "message"),
    [
        ("sample", [], "o.jpg", {}, r"sample writes a \.png"),
        ("encode", ["good.png"], "o.png", {}, r"encode writes .* a \.npz"),
        ("score", ["good.png"], "o", {}, r"score writes .* a \.csv"),
        ("reconstruct", [], "o.png", {}, "No image files.*nothing"),
        ("reconstruct", ["empty"], "o.png", {}, "No image files.*empty"),
        ("reconstruct", ["no.png"], "o.png", {}, "no such file.*no.png"),
        ("score", ["small.png"], "o.csv", {}, "28x28.*Received: 20x28"),
        ("encode", ["broken.png"], "o.npz", {}, "cannot be read.*broken"),
        ("encode", ["text.png"], "o.npz", {}, "cannot be read.*text"),
        ("encode", ["deep.png"], "o.npz", {}, "8 bits.*deep.png"),
        ("encode", ["bomb.png"], "o.npz", {}, "more than .* pixels"),
        ("reconstruct", ["good.png", "broken.png"], "o.png", {}, "broken"),
        ("sample", [], "empty/../full", {}, "exists and is not empty"),
        ("sample", [], "o.png", {"label": [3]}, "not conditional.*3"),
        ("sample", [], "o.png", {"num_images": 30_000}, "name a folder"),
        ("sample", [], "o.png", {"num_images": 0}, "num_images must be"),
        ("sample", [], "o.png", {"temperature": np.nan}, "temperature.*nan"),
        ("sample", [], "o.png", {"temperature": -1.0}, "temperature.*-1"),
        ("sample", [], "o.png", {"temperature": np.inf}, "temperature.*inf"),
        ("sample", [], "o.png", {"seed": -1}, "seed must be.*-1"),
        ("score", ["good.png"], "o.csv", {"seed": 2**31}, "seed must be"),
        ("decode", [], "o.png", {}, "decode takes one .npz.*nothing"),
        ("decode", ["z.npz", "z.npz"], "o.png", {}, "decode takes one"),
        ("decode", ["no.npz"], "o.png", {}, "decode takes one.*no.npz"),
        ("decode", ["good.png"], "o.png", {}, "decode takes one.*good"),
        ("decode", ["text.png"], "o.png", {}, "decode takes one.*text"),
        ("decode", ["none.npz"], "o.png", {}, "decode takes one.*none"),
        ("decode", ["cut.npz"], "o.png", {}, "decode takes one.*cut"),
        ("decode", ["plain.npy"], "o.png", {}, "decode takes one.*plain"),
        ("decode", ["other.npz"], "o.png", {}, "decode takes one.*other"),
        ("decode", ["wide.npz"], "o.png", {}, r"\[num, 4\].*\[2, 5\]"),
        ("decode", ["flat.npz"], "o.png", {}, r"\[num, 4\].*\[4\]"),
        ("decode", ["zero.npz"], "o.png", {}, r"\[num, 4\].*\[0, 4\]"),
        ("decode", ["nan.npz"], "o.png", {}, "finite.*nan.npz"),
        ("decode", ["huge.npz"], "o.png", {}, "finite.*huge.npz"),
        ("decode", ["complex.npz"], "o.png", {}, "decode takes one.*complex"),
        ("decode", ["words.npz"], "o.png", {}, "decode takes one.*words"),
        ("sample", [], "good.png/o.png", {}, "output cannot be written"),
    ],
)
def test_what_cannot_be_used_is_refused_and_nothing_is_left(
    verb, inputs, output, options, message, client, tmp_path, monkeypatch
):
    _write_inputs(tmp_path)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match=message) as caught:
        call(client, verb, inputs, output, **options)
    assert "Received: " in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before


def _write_inputs(folder):
    (folder / "empty").mkdir()
    (folder / "full").mkdir()
    (folder / "full" / "notes.txt").touch()
    (folder / "text.png").write_text("no image")
    PIL.Image.new("L", [28, 28]).save(folder / "good.png")
    PIL.Image.new("L", [28, 20]).save(folder / "small.png")
    PIL.Image.new("I;16", [28, 28]).save(folder / "deep.png")
    data = (folder / "good.png").read_bytes()
    (folder / "broken.png").write_bytes(data[:50])
    # The header alone says 20,000 x 20,000 pixels.
    header = b"IHDR" + (20_000).to_bytes(4, "big") * 2 + data[24:29]
    checksum = zlib.crc32(header).to_bytes(4, "big")
    bomb = data[:12] + header + checksum + data[33:]
    (folder / "bomb.png").write_bytes(bomb)
    np.savez(folder / "z.npz", z=np.zeros([2, 4]))
    np.savez(folder / "wide.npz", z=np.zeros([2, 5]))
    np.savez(folder / "flat.npz", mean=np.zeros([4]))
    np.savez(folder / "zero.npz", mean=np.zeros([0, 4]))
    np.savez(folder / "nan.npz", mean=np.full([1, 4], np.nan))
    np.savez(folder / "huge.npz", mean=np.full([1, 4], 1e300))
    np.savez(folder / "complex.npz", mean=np.full([1, 4], 1j))
    np.savez(folder / "words.npz", mean=np.full([1, 4], "one"))
    np.savez(folder / "other.npz", codes=np.zeros([2, 4]))
    np.save(folder / "plain.npy", np.zeros([2, 4]))
    (folder / "none.npz").touch()
    cut = (folder / "z.npz").read_bytes()
    (folder / "cut.npz").write_bytes(cut[: len(cut) // 2])


def test_failed_write_keeps_the_old_file(model, tmp_path, monkeypatch):
    path = call(model, "sample", [], tmp_path / "s.png", num_images=1)
    before = path.read_bytes()

    def fail(partial, image, zoom):
        partial.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("keras_vae.plotting.grids.save_png", fail)
    with pytest.raises(UserError, match="No space left"):
        call(model, "sample", [], path, num_images=1)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["s.png"]


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
