"""Tests of what is chosen for the devices at hand (two logical CPUs)."""

import pathlib

import pytest
import tensorflow as tf

from keras_vae.errors import UserError
from keras_vae.training import make_strategy, strategy


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


def test_process_has_one_mirrored_strategy():
    # Two of them would mix up their all-reduces.
    assert make_strategy("mirrored") is make_strategy("mirrored")


def test_batch_must_divide_over_the_replicas():
    mirrored = make_strategy("mirrored")
    strategy.check_batch_size(mirrored, 8)
    with pytest.raises(UserError, match=r"replicas, 2\. Received: .*size=7"):
        strategy.check_batch_size(mirrored, 7)


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
    assert strategy.resolve_precision("auto") == policy


def test_auto_precision_without_cpuinfo(monkeypatch):
    def fail(path):
        raise FileNotFoundError(path)

    monkeypatch.setattr(pathlib.Path, "read_text", fail)
    assert strategy.resolve_precision("auto") == "float32"


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
    assert strategy.resolve_precision("auto") == policy


@pytest.mark.parametrize("name", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_named_precision_is_kept(name):
    assert strategy.resolve_precision(name) == name


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


@pytest.mark.parametrize("asked", ["auto", "false"])
def test_no_jit_where_the_number_of_draws_changes(monkeypatch, asked):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [1])
    assert strategy.resolve_jit(asked, draws_change=True) is False


def test_jit_is_refused_where_the_number_of_draws_changes():
    with pytest.raises(UserError, match=r"--config\.importance_start=0"):
        strategy.resolve_jit("true", draws_change=True)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
