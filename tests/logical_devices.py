"""Two logical CPUs, so that any machine can run two replicas."""

import tensorflow as tf

__all__ = ["configure"]

_COUNT = 2


def configure() -> None:
    """Splits the CPU into two logical devices, once.

    Must run before TensorFlow runs its first operation: `tests/conftest.py`
    calls it at import.

    Raises:
        RuntimeError: If TensorFlow is already running on one device.
    """
    cpu = tf.config.list_physical_devices("CPU")[0]
    devices = tf.config.get_logical_device_configuration(cpu)
    if devices is None or len(devices) != _COUNT:
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * _COUNT
        )
