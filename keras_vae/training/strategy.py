"""Where the model is trained: strategies, and what the devices can do."""

import functools
import json
import os
import pathlib
from typing import Any

import tensorflow as tf

from keras_vae.config import ModelConfig, TrainingConfig
from keras_vae.errors import UserError

__all__ = [
    "check_batch_size",
    "make_strategy",
    "resolve_batch_parts",
    "resolve_jit",
    "resolve_precision",
    "share_cores",
]

# Fewest images of a part of a batch: parts of 32 were slower than parts of 64.
_PART_ROWS = 64


@functools.cache
def _mirrored(devices: tuple[str, ...]) -> tf.distribute.MirroredStrategy:
    # One for the process: each numbers its all-reduces from the same start, and
    # TensorFlow 2.21 takes those of a second one, with the gradients of another
    # model, for the first one's ("Shape mismatch in the collective instance").
    return tf.distribute.MirroredStrategy(devices)


def make_strategy(distribution: str = "auto") -> tf.distribute.Strategy:
    """Returns the strategy that a name stands for.

    Args:
        distribution: `mirrored` trains on all GPUs, or on all logical CPU
            devices where there is no GPU; `one_device` on the first of them,
            which is TensorFlow's default strategy (`OneDeviceStrategy` places
            the same, but feeds data through an iterator over devices, which
            cost a fifth of the speed of a dense model); `auto` is `mirrored`
            where there are several GPUs, else `one_device`.

    Raises:
        UserError: If `TF_CONFIG` describes several processes: each of them
            would train the whole run.
    """
    _check_alone()
    devices = tf.config.list_logical_devices("GPU")
    several_gpus = len(devices) > 1
    devices = devices or tf.config.list_logical_devices("CPU")
    names = [device.name for device in devices]
    if distribution == "mirrored" or (distribution == "auto" and several_gpus):
        return _mirrored(tuple(names))
    return tf.distribute.get_strategy()


def _check_alone() -> None:
    """Raises UserError if `TF_CONFIG` has more tasks than this process."""
    text = os.environ.get("TF_CONFIG", "")
    if not text.strip():
        return
    try:
        tasks = _tasks(json.loads(text))
    except (AttributeError, TypeError, ValueError) as error:
        raise UserError(
            "TF_CONFIG must be JSON such as "
            '{"cluster": {"worker": ["localhost:2222"]}, '
            '"task": {"type": "worker", "index": 0}}: mend it, or unset it. '
            f"Received: TF_CONFIG={text} ({error})"
        ) from error
    if len(tasks) > 1:
        raise UserError(
            "TF_CONFIG describes several processes, and each of them would "
            "train the whole run: unset it and start one process, which uses "
            "all accelerators of its machine with --distribution=mirrored. "
            f"Received: TF_CONFIG={text}"
        )


def _tasks(config: dict[str, Any]) -> set[tuple[str, int]]:
    """Returns the tasks of a cluster, and this process where it is one more.

    As an evaluator is, which no cluster lists.
    """
    cluster = tf.train.ClusterSpec(config.get("cluster", {}))
    tasks = {
        (job, index)
        for job in cluster.jobs
        for index in cluster.task_indices(job)
    }
    task = config.get("task", {})
    if tasks and "type" in task:
        tasks.add((task["type"], int(task.get("index", 0))))
    return tasks


def check_batch_size(strategy: tf.distribute.Strategy, batch_size: int) -> None:
    """Raises UserError unless the batch divides over the replicas."""
    replicas = strategy.num_replicas_in_sync
    if batch_size % replicas:
        raise UserError(
            f"The batch size must be divisible by the number of replicas, "
            f"{replicas}. Received: batch_size={batch_size}"
        )


def share_cores(model: ModelConfig, training: TrainingConfig) -> None:
    """Tells TensorFlow to work on the parts of a batch side by side.

    By default all cores work on one operation at a time, and wait for the
    slowest of them after each. Where the operations of a small model are
    short, parts of a batch on a core each are faster, and in an evaluation so
    are chunks of the draws (`benchmarks/RESULTS.md`).

    It must come before TensorFlow's first operation. Without effect where
    there is a GPU, or where the batch is not going to be parted.
    """
    if tf.config.list_physical_devices("GPU"):
        return
    parts = training.batch_parts or _suitable_parts(model, training)
    if parts > 1:
        threads = max(_num_cores() // parts, 1)
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(parts)


def resolve_batch_parts(
    model: ModelConfig, training: TrainingConfig, num_replicas: int
) -> int:
    """Returns into how many parts a replica's batch goes.

    Raises:
        UserError: If the model's loss is not a mean over the images, or the
            batch does not divide.
    """
    parts = training.batch_parts
    if not parts:
        shared = tf.config.threading.get_intra_op_parallelism_threads() > 0
        return _suitable_parts(model, training) if shared else 1
    if parts > 1 and not model.rows_are_independent:
        raise UserError(
            "The loss looks at a batch as a whole (batch normalisation, "
            "free_bits or kl_balancing): leave out --batch_parts. "
            f"Received: --model={model.name} --batch_parts={parts}"
        )
    if model.batch_size % (parts * num_replicas):
        raise UserError(
            f"The batch size must be divisible by {num_replicas} (replicas) "
            f"times batch_parts. Received: batch_size={model.batch_size}, "
            f"--batch_parts={parts}"
        )
    return parts


def _suitable_parts(model: ModelConfig, training: TrainingConfig) -> int:
    """Returns one part for each core, if the parts are large enough."""
    if training.distribution == "mirrored" or not model.rows_are_independent:
        return 1
    most = min(_num_cores(), model.batch_size // _PART_ROWS)
    return max(
        (n for n in range(1, most + 1) if model.batch_size % n == 0), default=1
    )


def _num_cores() -> int:
    """Returns the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Not on macOS.
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_has_bfloat16() -> bool:
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in text or "amx_bf16" in text


def resolve_precision(precision: str, model: ModelConfig) -> str:
    """Returns the Keras dtype policy that `auto` stands for here.

    bfloat16 is chosen where the hardware multiplies it: GPUs of compute
    capability 8 and CPUs with AVX512-BF16 or AMX, these for models whose
    operations gain by it (`benchmarks/RESULTS.md`). Without it, emulated
    bfloat16 is slower than float32.
    """
    if precision != "auto":
        return precision
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = [tf.config.experimental.get_device_details(g) for g in gpus]
        capable = all(
            d.get("compute_capability", (0, 0))[0] >= 8 for d in details
        )
    else:
        capable = model.bfloat16_on_cpus and _cpu_has_bfloat16()
    return "mixed_bfloat16" if capable else "float32"


def resolve_jit(jit_compile: str) -> bool:
    """Returns whether XLA compiles the training step.

    `auto` turns it on for GPUs, as Keras does (a gain was seen, and not
    measured with care), and off for CPUs, where float32 was slower with it,
    dense and residual networks alike (`benchmarks/RESULTS.md`).

    Args:
        jit_compile: `auto`, `true` or `false`.
    """
    if jit_compile == "auto":
        return bool(tf.config.list_physical_devices("GPU"))
    return jit_compile == "true"
