"""Tests that every argument of `fit` and the like reaches Keras, or is refused.

The oracle of class weights is `sample_weight`; that of arguments by position,
the same by name.
"""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae.models.fit_arguments import with_class_weight
from tests.models.cases import grey_images, make_model

NUM, BATCH = 7, 4
CLASS_WEIGHT = {0: 0.5, 2: 4.0}  # Class 1 is not in it: 1.
LABEL = np.array([0, 1, 2, 2, 1, 0, 2])
WEIGHT = np.array([0.5, 1.0, 4.0, 4.0, 1.0, 0.5, 4.0], "float32")
NAMES = ("a", "b", "c")
IMAGES = grey_images(NUM)


def compiled(conditional=False, model="autoencoder"):
    if conditional:
        made = make_model(class_names=NAMES, num_classes="auto")
    else:
        likelihood = "normal_fixed" if model == "autoencoder" else "bernoulli"
        made = make_model(likelihood, model=model)
    made.compile(keras.optimizers.SGD(0.01), run_eagerly=True)
    return made


def fit(model, *data, **options):
    options = {"batch_size": BATCH, "shuffle": False, "verbose": 0} | options
    return model.fit(*data, **options).history


class Batches(keras.utils.PyDataset):
    def __init__(self, *parts, nested=False):
        super().__init__()
        self.parts, self.nested = parts, nested
        self.begun = self.epochs = 0

    def __len__(self):
        return 2

    def __getitem__(self, index):
        rows = slice(BATCH * index, BATCH * (index + 1))
        batch = tuple(part[rows] for part in self.parts)
        return (batch,) if self.nested else batch

    def on_epoch_begin(self):
        self.begun += 1

    def on_epoch_end(self):
        self.epochs += 1


def dataset(*parts, nested=False):
    batches = tf.data.Dataset.from_tensor_slices(parts).batch(BATCH)
    return batches.map(lambda *batch: (batch,)) if nested else batches


WAYS = {
    "y": ((IMAGES, LABEL), {}),
    "column": ((IMAGES, LABEL[:, None]), {}),
    "x": (((IMAGES, LABEL),), {}),
    "list": (([IMAGES, LABEL],), {}),
    "dataset": ((dataset(IMAGES, LABEL),), {"batch_size": None}),
    "dataset of x": (
        (dataset(IMAGES, LABEL, nested=True),),
        {"batch_size": None},
    ),
    "sequence": ((Batches(IMAGES, LABEL),), {"batch_size": None}),
    "sequence of x": (
        (Batches(IMAGES, LABEL, nested=True),),
        {"batch_size": None},
    ),
}


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "classes"])
def by_image(request):
    conditional, model = request.param, compiled(request.param)
    logs = fit(model, IMAGES, LABEL, sample_weight=WEIGHT)
    plain = fit(compiled(conditional), IMAGES, LABEL)
    for name, values in logs.items():
        assert abs(plain[name][0] - values[0]) > 1e-3
    return conditional, logs, model.get_weights()


@pytest.mark.parametrize("way", WAYS)
def test_class_weights_are_those_weights_of_images(by_image, way):
    conditional, expected, weights = by_image
    data, options = WAYS[way]
    if conditional and way == "column":
        return  # A conditional model takes no columns.
    model = compiled(conditional)
    found = fit(model, *data, class_weight=CLASS_WEIGHT, **options)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-6)
    for a, b in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-7)


def test_class_weights_leave_a_split_for_validation_as_it_is():
    # As in Keras: a validation is not weighed by class.
    options = {"validation_split": 0.3, "class_weight": CLASS_WEIGHT}
    found = fit(compiled(), (IMAGES, LABEL), **options)
    expected = fit(
        compiled(),
        IMAGES[:4],
        sample_weight=WEIGHT[:4],
        validation_data=(IMAGES[4:], None),
    )
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-6)


def test_a_sequence_is_told_of_its_epochs():
    told = []
    for options in ({}, {"class_weight": CLASS_WEIGHT}):
        batches = Batches(IMAGES, LABEL)
        fit(compiled(), batches, epochs=2, batch_size=None, **options)
        told.append((batches.begun, batches.epochs))
    assert told[0] == told[1]
    assert min(told[0]) >= 2


def test_a_sequence_keeps_its_workers():
    batches = Batches(IMAGES, LABEL)
    batches.workers, batches.max_queue_size = 3, 7
    batches.use_multiprocessing = True
    given = {"x": batches, "class_weight": CLASS_WEIGHT}
    weighed = with_class_weight(given)["x"]
    assert (weighed.workers, weighed.max_queue_size) == (3, 7)
    assert weighed.use_multiprocessing


@pytest.mark.parametrize(
    "data",
    [
        (IMAGES,),
        (IMAGES, IMAGES),
        (IMAGES, [0] * len(IMAGES)),
        (dataset(IMAGES),),
        (dataset(IMAGES, IMAGES),),
        (Batches(IMAGES),),
        (Batches(IMAGES, IMAGES),),
    ],
    ids=[
        "array",
        "images_twice",
        "list",
        "dataset",
        "dataset_of_images_twice",
        "sequence",
        "sequence_of_images_twice",
    ],
)
def test_class_weights_need_classes(data):
    model = compiled()
    before = model.get_weights()
    message = r"^`class_weight` needs the class.*Received: class_weight=\{0: 1"
    with pytest.raises(ValueError, match=message) as error:
        model.fit(*data, class_weight={0: 1.0, 1: 2.0}, verbose=0)
    assert "\n" not in str(error.value)
    if isinstance(data[0], np.ndarray):
        with pytest.raises(ValueError, match=message):
            model.train_on_batch(*data, class_weight={0: 1.0, 1: 2.0})
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "wrong",
    [
        "balanced",
        [1.0, 2.0],
        {"a": 1.0},
        {0: "1"},
        {0: -1.0},
        {0: np.nan},
        {0: np.inf},
        {0: None},
        {0: [1.0, 2.0]},
    ],
)
def test_what_are_no_class_weights_is_refused(wrong):
    message = "`class_weight` must be a dict.*Received: class_weight="
    with pytest.raises(ValueError, match=message):
        compiled().fit(IMAGES, LABEL, class_weight=wrong, verbose=0)


def test_class_weights_of_classes_that_the_model_has_not_are_refused():
    model = compiled(conditional=True)
    for number in (-1, model.num_classes):
        with pytest.raises(ValueError, match=r"0 \.\.\. \d+\. Received: class"):
            fit(model, IMAGES, LABEL, class_weight={0: 1.0, number: 2.0})


def test_class_weights_are_not_for_images_with_weights():
    model = compiled()
    weighed = dataset(IMAGES, LABEL, WEIGHT)
    calls = (
        lambda: model.fit(weighed, class_weight=CLASS_WEIGHT, verbose=0),
        lambda: model.fit(
            IMAGES, LABEL, sample_weight=WEIGHT, class_weight=CLASS_WEIGHT
        ),
        lambda: model.train_on_batch(IMAGES, LABEL, WEIGHT, CLASS_WEIGHT),
        lambda: model.fit((b for b in weighed), class_weight=CLASS_WEIGHT),
    )
    for call in calls:
        with pytest.raises(ValueError, match="`class_weight`"):
            call()


def test_weights_that_are_a_list_are_refused():
    message = "`sample_weight` must be an array.*Received: a list"
    for y in (None, LABEL):
        with pytest.raises(ValueError, match=message):
            compiled().fit(IMAGES, y, sample_weight=[1.0] * len(IMAGES))


# Arguments by position.


class Epochs(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        logs["told"] = epoch


def _arguments(name):
    """Returns an argument of each name that changes what comes out."""
    return {
        "x": IMAGES,
        "y": LABEL,
        "batch_size": 3,
        "epochs": 3,
        "verbose": 0,
        "callbacks": [Epochs()] if name == "fit" else None,
        "validation_split": 0.0,
        "validation_data": (IMAGES[:5], None, WEIGHT[:5]),
        "shuffle": False,
        "class_weight": None,
        "sample_weight": WEIGHT,
        "initial_epoch": 1,
        "steps_per_epoch": 3,
        "steps": 2,
        "validation_steps": 1,
        "validation_batch_size": 2,
        "validation_freq": 2,
        "return_dict": True,
    }


METHODS = ("fit", "evaluate", "predict", "train_on_batch", "test_on_batch")


def _call(name, count):
    """Calls a method with `count` arguments by position, the rest by name."""
    parameters = inspect.signature(getattr(keras.Model, name)).parameters
    names = [n for n in parameters if n not in ("self", "kwargs")]
    arguments = _arguments(name)
    values = [arguments[n] for n in names]
    model = compiled(model="vae")
    options = dict(zip(names[count:], values[count:], strict=True))
    result = getattr(model, name)(*values[:count], **options)
    if name == "fit":
        result = result.history
    return result, model.get_weights(), len(names)


@pytest.mark.parametrize("name", METHODS)
def test_arguments_by_position_are_those_by_name(name):
    expected, weights, last = _call(name, 0)
    for count in (last // 2, last):
        found, moved, _ = _call(name, count)
        if name == "predict":
            np.testing.assert_array_equal(found, expected)
        else:
            assert found == expected
        for a, b in zip(moved, weights, strict=True):
            np.testing.assert_array_equal(a, b)
    if name == "fit":
        assert len(expected["loss"]) == 2
        assert len(expected["val_loss"]) == 1


def test_weights_by_position_weigh_images_without_classes():
    model, twin = compiled(), compiled()
    named = twin.evaluate(IMAGES, batch_size=4, sample_weight=WEIGHT, verbose=0)
    plain = twin.evaluate(IMAGES, batch_size=4, verbose=0)
    assert model.evaluate(IMAGES, None, 4, 0, WEIGHT) == named
    assert named[0] > 1.5 * plain[0]
    # The loss is sum_i w_i loss_i / batch.
    mean = model.decoder(model.encode(IMAGES)).mean().numpy()
    error = ((IMAGES - mean) ** 2).sum((1, 2, 3))
    assert named[0] == pytest.approx(np.mean(WEIGHT * error), rel=1e-5)
    tested = model.test_on_batch(IMAGES, None, WEIGHT)
    assert tested[0] == pytest.approx(named[0], rel=1e-5)
    trained = model.train_on_batch(IMAGES, None, WEIGHT)
    assert trained[0] == pytest.approx(named[0], rel=1e-5)
    keys = ("loss", "squared_error", "val_loss", "val_squared_error")
    data = (IMAGES[:4], None, WEIGHT[:4])
    positional = twin.fit(
        *(IMAGES, None, 4, 1, 0, None, 0.0, data, False, None, WEIGHT)
    ).history
    other = compiled()
    by_name = fit(other, IMAGES, sample_weight=WEIGHT, validation_data=data)
    for key in keys:
        assert positional[key] == pytest.approx(by_name[key], rel=1e-6)


def test_arguments_that_keras_does_not_take_are_refused():
    model = compiled()
    with pytest.raises(TypeError, match="too many positional"):
        model.fit(*[IMAGES, *[None] * 20])
    for call in (model.fit, model.train_on_batch):
        with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
            call(IMAGES, z=1)
    with pytest.raises(ValueError, match="not recognized.*'z'"):
        model.evaluate(IMAGES, z=1, verbose=0)


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
