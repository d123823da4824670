"""Every public class of keras_vae.objectives conforms, or is known."""

import dataclasses
import inspect
import json

import keras
import pytest
import tensorflow as tf

from keras_vae import objectives
from tests.objectives.cases import two_groups

SCHEDULE = objectives.LinearWarmup(0.25, 1.0, 0.5, 10)
CASES = {
    "beta_tcvae": objectives.BetaTCVAE(SCHEDULE),
    "elbo": objectives.ELBO(0.5, free_bits=0.25),
    "elbo_schedule": objectives.ELBO(SCHEDULE),
    "elbo_balance": objectives.ELBO(SCHEDULE, balance=True),
    "importance_weighted": objectives.ImportanceWeighted(
        3, objectives.ELBO(SCHEDULE)
    ),
    "importance_weighted_late": objectives.ImportanceWeighted(
        objectives.OneStep(1, 3, 0.5, 10)
    ),
    "one_step": objectives.OneStep(1.0, 3.0, 0.5, 10),
    "kl_warmup": objectives.KLWarmup(2.0, 0.5, 10, 0.1, 0.01),
    "log_likelihood": objectives.LogLikelihood(),
    "squared_error": objectives.SquaredError(),
    "linear_warmup": SCHEDULE,
    "warmup_cosine": objectives.WarmupCosine(0.1, 0.2, 0.3, 10),
}


def value(thing, step):
    if isinstance(thing, keras.optimizers.schedules.LearningRateSchedule):
        return thing(step)
    context = objectives.ObjectiveContext(step, num_examples=50)
    draws = thing.draws(step)
    inference = two_groups(() if draws is None else [draws])
    if isinstance(thing, objectives.BetaTCVAE):
        inference = dataclasses.replace(inference, groups=inference.groups[:1])
    return thing(inference, context)


@pytest.mark.parametrize("case", CASES)
def test_arguments_are_attributes_and_config(case):
    thing = CASES[case]
    config = thing.get_config()
    arguments = [
        name
        for name in inspect.signature(type(thing).__init__).parameters
        if name not in ("self", "args", "kwargs")
    ]
    assert sorted(config) == sorted(arguments)
    for name in arguments:
        attribute = getattr(thing, name)
        serialized = keras.saving.serialize_keras_object(attribute)
        assert config[name] in (attribute, serialized)


@pytest.mark.parametrize("case", CASES)
def test_a_copy_from_json_gives_the_same_values(case):
    thing = CASES[case]
    text = json.dumps(keras.saving.serialize_keras_object(thing))
    copy = keras.saving.deserialize_keras_object(json.loads(text))
    assert type(copy) is type(thing)
    assert copy.get_config() == thing.get_config()
    name = keras.saving.get_registered_name(type(thing))
    assert name == f"keras_vae>{type(thing).__name__}"
    for step in (0, 3, 9, 20):
        step = tf.constant(step)
        tf.debugging.assert_equal(value(copy, step), value(thing, step))


@pytest.mark.parametrize("case", CASES)
def test_eager_equals_graph(case):
    thing = CASES[case]
    in_graph = tf.function(lambda step: value(thing, step))
    for step in (tf.constant(3, tf.int64), tf.constant(9, tf.int64)):
        tf.debugging.assert_near(in_graph(step), value(thing, step), rtol=1e-5)


def test_every_public_class_is_in_the_list():
    covered = {type(thing) for thing in CASES.values()}
    public = {
        thing
        for thing in (getattr(objectives, name) for name in objectives.__all__)
        if isinstance(thing, type)
    }
    # What a pass yields, inference_test.py, and what it is told.
    assert public - covered == {
        objectives.Inference,
        objectives.LatentGroup,
        objectives.ObjectiveContext,
    }


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
