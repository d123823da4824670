"""What every public layer and model of keras_vae must do.

`run_layer_conformance` and `run_model_conformance` run all checks but
`check_eager_equals_graph`, which is for what is not exported: the graph of a
SavedModel is compared with the eager outputs too. Each check is a function of
its own for what needs only some.

In all of them `make_inputs()` returns a nest of NumPy arrays with an even
number of examples on the first axis, and `forward(model, inputs)` returns a
nest of tensors with the examples on the first axis, which must be a function
of the weights and inputs alone: a model that samples is given a seed, or only
its deterministic part is called.
"""

import contextlib
import inspect
import json
import pathlib
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_vae.training import make_strategy
from tests import logical_devices
from tests.layer_model import LayerModel
from tests.tensor_nests import assert_close, specs, weighted_sum

__all__ = [
    "check_config",
    "check_eager_equals_graph",
    "check_gradients",
    "check_keras_file",
    "check_mixed_precision",
    "check_replicas",
    "check_saved_model",
    "check_symbolic_call",
    "run_layer_conformance",
    "run_model_conformance",
]

logical_devices.configure()

Forward = Callable[[keras.Model, Any], Any]
_NOT_ATTRIBUTES = ("self", "args", "kwargs", "name", "dtype")


def _call(model: keras.Model, inputs: Any) -> Any:
    return model(inputs, training=False)


def run_layer_conformance(
    make_layer: Callable[[], keras.layers.Layer],
    make_inputs: Callable[[], Any],
    to_tensors: Callable[[Any], Any],
    *,
    rtol: float = 1e-5,
    atol: float = 1e-5,
) -> None:
    """Runs every check on a layer, inside a small subclassed model.

    Args:
        make_layer: Returns a new layer with the same initial weights each time.
        make_inputs: Returns the layer's inputs; see the module.
        to_tensors: From the layer's output to a nest of float tensors, such as
            a distribution's mean and a log_prob. A function with a name that
            is unique among the tests of a process: it is saved under it.
        rtol: Relative tolerance of comparisons.
        atol: Absolute tolerance of comparisons.
    """
    register = keras.saving.register_keras_serializable(
        package="keras_vae_tests"
    )
    register(to_tensors)
    check_config(make_layer())
    _run_checks(
        lambda: LayerModel(make_layer(), to_tensors),
        make_inputs,
        _call,
        rtol=rtol,
        atol=atol,
    )


def run_model_conformance(
    make_model: Callable[[], keras.Model],
    make_inputs: Callable[[], Any],
    forward: Forward = _call,
    *,
    rtol: float = 1e-5,
    atol: float = 1e-5,
    replicas: bool = True,
) -> None:
    """Runs every check on a model.

    Args:
        make_model: Returns a new model with the same initial weights each time.
        make_inputs: Returns the model's inputs; see the module.
        forward: Returns tensors; see the module. The model's call by default.
        rtol: Relative tolerance of comparisons.
        atol: Absolute tolerance of comparisons.
        replicas: Whether two replicas are compared with one.
    """
    check_config(make_model())
    _run_checks(
        make_model, make_inputs, forward, replicas, rtol=rtol, atol=atol
    )


def _run_checks(
    make_model: Callable[[], keras.Model],
    make_inputs: Callable[[], Any],
    forward: Forward,
    replicas: bool = True,
    **tolerances: float,
) -> None:
    model, inputs = make_model(), make_inputs()
    check_symbolic_call(make_model(), inputs)
    check_gradients(model, inputs, forward)
    check_keras_file(model, inputs, forward, **tolerances)
    check_saved_model(model, inputs, forward, **tolerances)
    check_mixed_precision(make_model, inputs, forward)
    # Without variables there is nothing but rows to share.
    if replicas and model.trainable_variables:
        check_replicas(make_model, inputs, forward, **tolerances)


def check_config(layer: keras.layers.Layer) -> None:
    """Constructor arguments = attributes = `get_config`; it round-trips."""
    config = layer.get_config()
    for name in inspect.signature(type(layer).__init__).parameters:
        if name in _NOT_ATTRIBUTES:
            continue
        assert name in config, f"{name} is missing in get_config"
        value = getattr(layer, name)
        serialized = keras.saving.serialize_keras_object(value)
        assert config[name] in (value, serialized), (
            f"{name} is {config[name]!r} in get_config but {value!r} as an "
            "attribute"
        )
    assert type(layer).from_config(config).get_config() == config
    text = json.dumps(keras.saving.serialize_keras_object(layer))
    copy = keras.saving.deserialize_keras_object(json.loads(text))
    assert type(copy) is type(layer)
    assert _config_text(copy) == _config_text(layer)
    assert keras.saving.get_registered_name(type(layer)).startswith(
        "keras_vae"
    ), f"{type(layer)} is not registered"


def check_symbolic_call(model: keras.Model, inputs: Any) -> None:
    """A symbolic call gives the shapes and dtypes of a real one."""
    symbolic = tf.nest.map_structure(
        lambda array: keras.KerasTensor((None, *array.shape[1:]), array.dtype),
        inputs,
    )
    specs = tf.nest.flatten(model(symbolic))
    outputs = tf.nest.flatten(model(inputs))
    assert len(specs) == len(outputs)
    for spec, output in zip(specs, outputs, strict=True):
        assert output.shape.is_compatible_with(spec.shape)
        assert output.dtype == spec.dtype


def check_eager_equals_graph(
    model: keras.Model,
    inputs: Any,
    forward: Forward = _call,
    *,
    rtol: float = 1e-5,
    atol: float = 1e-5,
) -> None:
    """A `tf.function` with an unknown batch size gives the eager outputs."""
    graph = tf.function(
        lambda x: forward(model, x), input_signature=[specs(inputs)]
    )
    assert_close(forward(model, inputs), graph(inputs), rtol, atol)


def check_gradients(
    model: keras.Model, inputs: Any, forward: Forward = _call
) -> None:
    """Finite gradients, not all 0, reach every variable and float input."""
    inputs = tf.nest.map_structure(tf.constant, inputs)
    forward(model, inputs)  # Builds the model.
    sources = [x for x in tf.nest.flatten(inputs) if x.dtype.is_floating]
    names = [f"input {i}" for i in range(len(sources))]
    sources += [variable.value for variable in model.trainable_variables]
    names += [variable.path for variable in model.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        total = weighted_sum(forward(model, inputs))
    for name, gradient in zip(
        names, tape.gradient(total, sources), strict=True
    ):
        assert gradient is not None, f"no gradient reaches {name}"
        gradient = tf.convert_to_tensor(gradient).numpy()
        assert np.isfinite(gradient).all(), f"the gradient of {name} is NaN"
        assert np.any(gradient), f"the gradient of {name} is 0"


def check_keras_file(
    model: keras.Model,
    inputs: Any,
    forward: Forward = _call,
    *,
    rtol: float = 1e-5,
    atol: float = 1e-5,
) -> None:
    """A `.keras` file restores class, config, weights and outputs."""
    expected = forward(model, inputs)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.keras"
        model.save(path)
        loaded = keras.saving.load_model(path)
    assert type(loaded) is type(model)
    assert _config_text(loaded) == _config_text(model)
    for old, new in zip(model.variables, loaded.variables, strict=True):
        # Not the path: it tells in which scope a layer was built.
        assert old.name == new.name
        np.testing.assert_array_equal(old.numpy(), new.numpy(), old.path)
    assert_close(expected, forward(loaded, inputs), rtol, atol)


def check_saved_model(
    model: keras.Model,
    inputs: Any,
    forward: Forward = _call,
    *,
    rtol: float = 1e-5,
    atol: float = 1e-5,
) -> None:
    """The graph in a SavedModel gives the eager outputs, also of one row."""
    expected = forward(model, inputs)
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        "serve", lambda x: forward(model, x), input_signature=[specs(inputs)]
    )
    with tempfile.TemporaryDirectory() as folder:
        archive.write_out(folder, verbose=False)
        loaded = tf.saved_model.load(folder)  # It owns the variables.
        assert_close(expected, loaded.serve(inputs), rtol, atol)
        one = loaded.serve(tf.nest.map_structure(lambda x: x[:1], inputs))
    first = tf.nest.map_structure(lambda x: x[:1], expected)
    assert_close(first, one, rtol, atol)


def check_mixed_precision(
    make_model: Callable[[], keras.Model], inputs: Any, forward: Forward = _call
) -> None:
    """Under mixed_bfloat16 outputs and variables are finite and float32."""
    with _policy("mixed_bfloat16"):
        model = make_model()
        outputs = tf.nest.flatten(forward(model, inputs))
    for output in outputs:
        assert output.dtype == tf.float32, f"an output is {output.dtype}"
        assert np.isfinite(output.numpy()).all()
    for variable in model.trainable_variables:
        assert variable.dtype == "float32", variable.path


def check_replicas(
    make_model: Callable[[], keras.Model],
    inputs: Any,
    forward: Forward = _call,
    *,
    rtol: float = 1e-5,
    atol: float = 1e-5,
) -> None:
    """Two replicas with half of the batch each are one with all of it.

    The outputs of the two are joined, and their gradients summed.
    """
    single = make_model()
    outputs, gradients = _outputs_and_gradients(single, inputs, forward)
    strategy = make_strategy("mirrored")
    halves = [
        tf.nest.map_structure(lambda x, i=i: np.split(x, 2)[i], inputs)
        for i in range(2)
    ]
    with strategy.scope():
        mirrored = make_model()
        forward(mirrored, halves[0])
    for one, two in zip(single.variables, mirrored.variables, strict=True):
        two.assign(one.numpy())
    flat = [
        strategy.experimental_distribute_values_from_function(
            lambda context, i=i: tf.constant(
                tf.nest.flatten(halves[context.replica_id_in_sync_group])[i]
            )
        )
        for i in range(len(tf.nest.flatten(inputs)))
    ]

    @tf.function
    def step(*parts: tf.Tensor) -> tuple[Any, list[tf.Tensor]]:
        packed = tf.nest.pack_sequence_as(inputs, parts)
        return _outputs_and_gradients(mirrored, packed, forward)

    joined, per_replica = strategy.run(step, args=flat)
    joined = tf.nest.map_structure(
        lambda x: np.concatenate(strategy.experimental_local_results(x)), joined
    )
    summed = [
        sum(map(np.asarray, strategy.experimental_local_results(gradient)))
        for gradient in per_replica
    ]
    assert_close(outputs, joined, rtol, atol)
    assert_close(gradients, summed, 10 * rtol, 10 * atol)


def _outputs_and_gradients(
    model: keras.Model, inputs: Any, forward: Forward
) -> tuple[Any, list[tf.Tensor]]:
    if not model.built:
        forward(model, inputs)
    with tf.GradientTape() as tape:
        outputs = forward(model, inputs)
        total = weighted_sum(outputs)
    variables = [variable.value for variable in model.trainable_variables]
    gradients = tape.gradient(total, variables)
    return outputs, [tf.convert_to_tensor(g) for g in gradients]


def _config_text(layer: keras.layers.Layer) -> str:
    # As text: JSON makes lists of the tuples in a sub-layer's build_config.
    config = keras.saving.serialize_keras_object(layer)["config"]
    return json.dumps(config, sort_keys=True)


@contextlib.contextmanager
def _policy(name: str) -> Iterator[None]:
    old = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(old)
