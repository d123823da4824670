"""Tests of what is chosen for the devices at hand (two logical CPUs)."""

import json
import pathlib

import pytest
import tensorflow as tf

from keras_vae.config import (
    HierarchicalConfig,
    NVAEConfig,
    TrainingConfig,
    VAEConfig,
)
from keras_vae.errors import UserError
from keras_vae.training import make_strategy, share_cores, strategy, train
from tests.training import experiments


@pytest.mark.parametrize(
    ("name", "kind", "replicas"),
    [
        ("auto", type(tf.distribute.get_strategy()), 1),
        ("one_device", type(tf.distribute.get_strategy()), 1),
        ("mirrored", tf.distribute.MirroredStrategy, 2),
    ],
)
def test_name_stands_for_strategy(name, kind, replicas):
    made = make_strategy(name)
    assert isinstance(made, kind)
    assert made.num_replicas_in_sync == replicas


_ALONE = {"worker": ["localhost:2222"]}


def _set_cluster(monkeypatch, cluster, kind="worker", index=0):
    task = {"type": kind, "index": index}
    value = json.dumps({"cluster": cluster, "task": task})
    monkeypatch.setenv("TF_CONFIG", value)


@pytest.mark.parametrize(
    ("cluster", "kind", "index"),
    [
        ({"worker": ["a:1", "b:1"]}, "worker", 0),
        ({"worker": ["a:1", "b:1"]}, "worker", 1),
        ({"worker": {"0": "a:1", "3": "b:1"}}, "worker", 3),
        ({"chief": ["a:1"], "worker": ["b:1"]}, "chief", 0),
        ({"worker": ["a:1"], "ps": ["b:1"]}, "ps", 0),
        (_ALONE, "evaluator", 0),
        (_ALONE, "worker", 1),
    ],
)
@pytest.mark.parametrize("name", ["auto", "one_device", "mirrored"])
def test_several_processes_are_refused(monkeypatch, cluster, kind, index, name):
    _set_cluster(monkeypatch, cluster, kind, index)
    message = r"several processes.*unset it.*Received: TF_CONFIG=\{\"cluster"
    with pytest.raises(UserError, match=message):
        make_strategy(name)


def test_several_processes_leave_no_run_folder(monkeypatch, tmp_path):
    _set_cluster(monkeypatch, {"worker": ["a:1", "b:1"]})
    with pytest.raises(UserError, match="several processes"):
        train(experiments.make_experiment(), tmp_path / "run")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "{}",
        '{"task": {"type": "worker", "index": 0}}',
        '{"cluster": {}, "task": {"type": "worker", "index": 1}}',
        json.dumps({"cluster": _ALONE}),
        json.dumps({"cluster": _ALONE, "task": {"type": "worker"}}),
        json.dumps({"cluster": {"chief": ["a:1"]}, "task": {"type": "chief"}}),
    ],
)
@pytest.mark.parametrize(
    ("name", "replicas"), [("one_device", 1), ("mirrored", 2)]
)
def test_one_process_of_a_cluster_trains(monkeypatch, text, name, replicas):
    monkeypatch.setenv("TF_CONFIG", text)
    assert make_strategy(name).num_replicas_in_sync == replicas


@pytest.mark.parametrize(
    "text",
    [
        "worker",
        "{",
        "[]",
        "null",
        '"worker"',
        '{"cluster": null}',
        '{"cluster": ["a:1"]}',
        '{"cluster": {"worker": "a:1"}}',
        '{"cluster": {"worker": [1, 2]}}',
        '{"cluster": {"worker": {"first": "a:1"}}}',
        '{"cluster": {"worker": ["a:1"]}, "task": 3}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": [], "index": 0}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", '
        '"index": "first"}}',
    ],
)
def test_malformed_cluster_is_named(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    message = "TF_CONFIG must be JSON such as .*Received: TF_CONFIG="
    with pytest.raises(UserError, match=message):
        make_strategy("auto")


def test_process_has_one_mirrored_strategy():
    # Two of them would mix up their all-reduces.
    assert make_strategy("mirrored") is make_strategy("mirrored")


def test_batch_must_divide_over_the_replicas():
    mirrored = make_strategy("mirrored")
    strategy.check_batch_size(mirrored, 8)
    with pytest.raises(UserError, match=r"replicas, 2\. Received: .*size=7"):
        strategy.check_batch_size(mirrored, 7)


@pytest.fixture
def threads(monkeypatch):
    """What TensorFlow was told, instead of telling it: it has begun to work."""
    told = {"intra": 0, "inter": 0}
    for kind in told:
        name = f"{kind}_op_parallelism_threads"
        monkeypatch.setattr(
            tf.config.threading,
            f"set_{name}",
            lambda count, kind=kind: told.update({kind: count}),
        )
        monkeypatch.setattr(
            tf.config.threading, f"get_{name}", lambda kind=kind: told[kind]
        )
    return told


@pytest.mark.parametrize(
    ("cores", "model", "training", "intra", "parts"),
    [
        (1, VAEConfig(), {}, 0, 1),
        (2, VAEConfig(), {}, 1, 2),
        (2, HierarchicalConfig(), {}, 1, 2),
        (2, HierarchicalConfig(batch_size=127), {}, 0, 1),
        (2, HierarchicalConfig(batch_size=126), {}, 0, 1),
        (2, HierarchicalConfig(objective={"free_bits": 0.1}), {}, 0, 1),
        (2, HierarchicalConfig(objective={"kl_balancing": True}), {}, 0, 1),
        (2, NVAEConfig(batch_size=128), {}, 0, 1),
        (2, VAEConfig(), {"distribution": "mirrored"}, 0, 1),
        (2, VAEConfig(), {"batch_parts": 1}, 0, 1),
        (8, VAEConfig(), {}, 4, 2),
        (8, VAEConfig(batch_size=320), {}, 1, 5),
        (8, VAEConfig(), {"batch_parts": 4}, 2, 4),
        (2, VAEConfig(), {"batch_parts": 4}, 1, 4),
    ],
)
def test_cores_are_shared_by_parts_of_the_batch(
    monkeypatch, threads, cores, model, training, intra, parts
):
    monkeypatch.setattr(strategy, "_num_cores", lambda: cores)
    training = TrainingConfig(**training)
    share_cores(model, training)
    assert threads["intra"] == intra
    assert threads["inter"] == (parts if intra else 0)
    assert strategy.resolve_batch_parts(model, training, 1) == parts


def test_auto_parts_need_threads_that_are_shared(threads):
    config = HierarchicalConfig()
    assert strategy.resolve_batch_parts(config, TrainingConfig(), 1) == 1


def test_cores_are_left_alone_where_there_is_a_gpu(monkeypatch, threads):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [0])
    share_cores(HierarchicalConfig(), TrainingConfig(batch_parts=2))
    assert threads == {"intra": 0, "inter": 0}


@pytest.mark.parametrize(
    ("model", "replicas", "message"),
    [
        (VAEConfig(batch_size=63), 1, r"batch_parts\. .*size=63, .*parts=2"),
        (VAEConfig(batch_size=66), 2, r"by 2 \(replicas\) times"),
        (NVAEConfig(), 1, r"as a whole .*model=nvae --batch_parts=2"),
        (
            VAEConfig(objective={"free_bits": 1.0}),
            1,
            r"leave out --batch_parts",
        ),
    ],
)
def test_batch_that_cannot_be_parted(model, replicas, message):
    training = TrainingConfig(batch_parts=2)
    with pytest.raises(UserError, match=message):
        strategy.resolve_batch_parts(model, training, replicas)


@pytest.mark.parametrize(
    ("flags", "policy"),
    [
        ("fpu avx512f avx512_bf16 fma", "mixed_bfloat16"),
        ("fpu amx_bf16 amx_tile", "mixed_bfloat16"),
        ("fpu avx2 avx512f", "float32"),
    ],
)
def test_auto_precision_follows_the_cpu(monkeypatch, flags, policy):
    monkeypatch.setattr(
        pathlib.Path, "read_text", lambda path: f"flags\t\t: {flags}\n"
    )
    assert strategy.resolve_precision("auto", VAEConfig()) == policy


def test_auto_precision_of_depthwise_convolutions_on_cpus(monkeypatch):
    monkeypatch.setattr(
        pathlib.Path, "read_text", lambda path: "flags\t\t: avx512_bf16\n"
    )
    assert strategy.resolve_precision("auto", NVAEConfig()) == "float32"
    hierarchical = strategy.resolve_precision("auto", HierarchicalConfig())
    assert hierarchical == "mixed_bfloat16"


def test_auto_precision_without_cpuinfo(monkeypatch):
    def fail(path):
        raise FileNotFoundError(path)

    monkeypatch.setattr(pathlib.Path, "read_text", fail)
    assert strategy.resolve_precision("auto", VAEConfig()) == "float32"


@pytest.mark.parametrize(
    ("capabilities", "policy"),
    [
        ([(8, 0)], "mixed_bfloat16"),
        ([(9, 0), (7, 5)], "float32"),
        ([(7, 0)], "float32"),
    ],
)
def test_auto_precision_follows_the_gpus(monkeypatch, capabilities, policy):
    monkeypatch.setattr(
        tf.config,
        "list_physical_devices",
        lambda kind: list(range(len(capabilities))) if kind == "GPU" else [],
    )
    monkeypatch.setattr(
        tf.config.experimental,
        "get_device_details",
        lambda gpu: {"compute_capability": capabilities[gpu]},
    )
    for model in (VAEConfig(), NVAEConfig()):
        assert strategy.resolve_precision("auto", model) == policy


@pytest.mark.parametrize("name", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_named_precision_is_kept(name):
    assert strategy.resolve_precision(name, NVAEConfig()) == name


@pytest.mark.parametrize(
    ("asked", "gpus", "expected"),
    [
        ("auto", [], False),
        ("auto", ["gpu"], True),
        ("true", [], True),
        ("false", ["gpu"], False),
    ],
)
def test_jit(monkeypatch, asked, gpus, expected):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    assert strategy.resolve_jit(asked) is expected


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
