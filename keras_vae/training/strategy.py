"""Where the model is trained: strategies, and what the devices can do."""

import functools
import pathlib

import tensorflow as tf

from keras_vae.errors import UserError

__all__ = [
    "check_batch_size",
    "make_strategy",
    "resolve_jit",
    "resolve_precision",
]


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
    """
    devices = tf.config.list_logical_devices("GPU")
    several_gpus = len(devices) > 1
    devices = devices or tf.config.list_logical_devices("CPU")
    names = [device.name for device in devices]
    if distribution == "mirrored" or (distribution == "auto" and several_gpus):
        return _mirrored(tuple(names))
    return tf.distribute.get_strategy()


def check_batch_size(strategy: tf.distribute.Strategy, batch_size: int) -> None:
    """Raises UserError unless the batch divides over the replicas."""
    replicas = strategy.num_replicas_in_sync
    if batch_size % replicas:
        raise UserError(
            f"The batch size must be divisible by the number of replicas, "
            f"{replicas}. Received: batch_size={batch_size}"
        )


def _cpu_has_bfloat16() -> bool:
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in text or "amx_bf16" in text


def resolve_precision(precision: str) -> str:
    """Returns the Keras dtype policy that `auto` stands for here.

    bfloat16 is chosen where the hardware multiplies it: GPUs of compute
    capability 8 and CPUs with AVX512-BF16 or AMX. Without it, emulated
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
        capable = _cpu_has_bfloat16()
    return "mixed_bfloat16" if capable else "float32"


def resolve_jit(jit_compile: str, draws_change: bool = False) -> bool:
    """Returns whether XLA compiles the training step.

    `auto` turns it on for GPUs, as Keras does (a gain was seen, and not
    measured with care), and off for CPUs, where float32 was slower with it,
    dense and residual networks alike (`benchmarks/RESULTS.md`).

    Args:
        jit_compile: `auto`, `true` or `false`.
        draws_change: Whether the number of draws changes in the run: XLA
            compiles no shape that depends on the step, and `auto` is off.

    Raises:
        UserError: If XLA is asked for where it cannot be.
    """
    if draws_change:
        if jit_compile == "true":
            raise UserError(
                "XLA compiles no step whose number of draws changes in the "
                "run: use --jit_compile=false, or --config.importance_start=0. "
                "Received: --jit_compile=true"
            )
        return False
    if jit_compile == "auto":
        return bool(tf.config.list_physical_devices("GPU"))
    return jit_compile == "true"
