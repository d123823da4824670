"""The functions that an export answers with.

Every input and output shares its first dimension, the batch, so that a server
may join requests; a row's answer depends on that row alone, its seed included.
What a model cannot use is refused: see `graph_checks`.
"""

from collections.abc import Callable

import tensorflow as tf

from keras_vae import seeds
from keras_vae.data import MAX_BITS, to_unit_interval
from keras_vae.models import GenerativeModel, pixel_seed
from keras_vae.networks.conditioning import condition_on
from keras_vae.serving.graph_checks import checked
from keras_vae.serving.image_bytes import decode_image_file
from keras_vae.training import Preparation

__all__ = ["Endpoint", "make_endpoints"]

Endpoint = tuple[Callable[..., dict[str, tf.Tensor]], list[tf.TensorSpec]]


def make_endpoints(
    model: GenerativeModel, preparation: Preparation, pixels: str = "mean"
) -> dict[str, Endpoint]:
    """Returns the signatures that a model can have, the default one first.

    Args:
        model: The model, in float32.
        preparation: How its images were prepared.
        pixels: What `sample` answers: the `mean` of p(x|z), or a `draw` from
            it.

    Returns:
        Name to (function, input specs). Without a likelihood there is no
        `sample` and no `score`; without latents, none of the others. Those of
        a conditional model also take `label`, int32 `[batch]`; its
        `class_names` takes nothing else.
    """
    image = tf.TensorSpec([None, *model.image_shape], tf.float32, name="image")
    label = []
    if model.num_classes:
        label = [tf.TensorSpec([None], tf.int32, name="label")]
    endpoints: dict[str, Endpoint] = {}
    if model.has_latents:
        endpoints |= _of_latents(model, image, label)
    if label:
        endpoints["class_names"] = (_class_names(model), label)
    if model.has_likelihood:
        seed = tf.TensorSpec([None, 2], tf.int32, name="seed")
        temperature = tf.TensorSpec([None], tf.float32, name="temperature")
        sample = _sample(model, pixels)
        endpoints["sample"] = (sample, [seed, temperature, *label])
        score = _score(model, preparation)
        endpoints["score"] = (score, [image, seed, *label])
    return _checked(endpoints, model)


def _of_latents(
    model: GenerativeModel, image: tf.TensorSpec, label: list[tf.TensorSpec]
) -> dict[str, Endpoint]:
    z = tf.TensorSpec([None, model.latent_dim], tf.float32, name="z")
    data = tf.TensorSpec([None], tf.string, name="image_bytes")
    encode = _encode(model) if model.has_prior else _codes(model)
    return {
        "reconstruct": (_reconstruct(model), [image, *label]),
        "decode": (_decode(model), [z, *label]),
        "reconstruct_bytes": (_reconstruct_bytes(model), [data, *label]),
        "encode": (encode, [image, *label]),
    }


def _checked(
    endpoints: dict[str, Endpoint], model: GenerativeModel
) -> dict[str, Endpoint]:
    return {
        # That one tells of any number whether it is a class.
        name: (function, specs)
        if name == "class_names"
        else (checked(function, specs, model), specs)
        for name, (function, specs) in endpoints.items()
    }


def _images(image: tf.Tensor, model: GenerativeModel) -> tf.Tensor:
    """Returns images of a shape that callers can read, whatever made them."""
    return tf.ensure_shape(image, [None, *model.image_shape])


def _reconstruct(model: GenerativeModel) -> Callable[..., dict[str, tf.Tensor]]:
    def reconstruct(
        image: tf.Tensor, label: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        found = model.reconstruct(image, **condition_on(label))
        return {"reconstruction": _images(found, model)}

    return reconstruct


def _encode(model: GenerativeModel) -> Callable[..., dict[str, tf.Tensor]]:
    def encode(
        image: tf.Tensor, label: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        mean, stddev = model.latent_moments(image, **condition_on(label))
        return {"mean": mean, "stddev": stddev}

    return encode


def _codes(model: GenerativeModel) -> Callable[..., dict[str, tf.Tensor]]:
    return lambda image: {"z": model.encode(image)}


def _decode(model: GenerativeModel) -> Callable[..., dict[str, tf.Tensor]]:
    def decode(
        z: tf.Tensor, label: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        # A server does not check it; the error names both shapes.
        z = tf.ensure_shape(z, [None, model.latent_dim])
        return {"image": _images(model.decode(z, **condition_on(label)), model)}

    return decode


def _sample(
    model: GenerativeModel, pixels: str
) -> Callable[..., dict[str, tf.Tensor]]:
    def sample(
        seed: tf.Tensor,
        temperature: tf.Tensor,
        label: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        noise = seeds.row_normal(seed, model.noise_size)
        image = model.generate(
            noise,
            temperature,
            pixel_seed=pixel_seed(pixels, seed),
            **condition_on(label),
        )
        return {"image": _images(image, model)}

    return sample


def _score(
    model: GenerativeModel, preparation: Preparation
) -> Callable[..., dict[str, tf.Tensor]]:
    """Scores images as the model was trained and evaluated on them.

    Grey levels are binarized, or dequantized, with the row's own seed.
    """

    def score(
        image: tf.Tensor, seed: tf.Tensor, label: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        noise_seed, latent_seed = _row_split(seed)
        if preparation.binarization != "none":
            noise = _row_uniform(noise_seed, model.image_shape)
            image = tf.cast(noise < image, tf.float32)
        elif model.dequantized_bits:
            noise = _row_uniform(noise_seed, model.image_shape)
            count = 2.0**model.dequantized_bits
            unit = to_unit_interval(_levels(image), model.dequantized_bits)
            levels = tf.round(unit * (count - 1.0))
            image = (levels + noise) / count
        elif preparation.num_bits < MAX_BITS:
            image = to_unit_interval(_levels(image), preparation.num_bits)
        if model.has_prior:
            noise = seeds.row_normal(latent_seed, model.latent_dim)
            encoding = model.encode(image, **condition_on(label))
            inference = model.infer_with_noise(image, encoding, noise)
        else:
            key = seeds.from_int(model.seed)
            inference = model.infer(image, None, key)
        return {
            "elbo": inference.elbo,
            "log_likelihood": inference.log_likelihood,
            "kl_divergence": inference.kl_divergence,
        }

    return score


def _levels(image: tf.Tensor) -> tf.Tensor:
    """Returns images in [0, 1] as 8-bit levels, uint8."""
    return tf.cast(
        tf.round(tf.clip_by_value(image, 0.0, 1.0) * 255.0), tf.uint8
    )


def _class_names(model: GenerativeModel) -> Callable[..., dict[str, tf.Tensor]]:
    """Tells the name of each label, empty where it is that of no class."""
    last = len(model.class_names) - 1

    def class_names(label: tf.Tensor) -> dict[str, tf.Tensor]:
        # TF Serving's REST takes strings to be text unless their name ends so.
        names = tf.gather(
            tf.constant(list(model.class_names)),
            tf.clip_by_value(label, 0, last),
        )
        known = (label >= 0) & (label <= last)
        return {"class_name_bytes": tf.where(known, names, "")}

    return class_names


def _reconstruct_bytes(
    model: GenerativeModel,
) -> Callable[..., dict[str, tf.Tensor]]:
    def decode(data: tf.Tensor) -> tf.Tensor:
        return decode_image_file(data, model.image_shape)

    def encode(image: tf.Tensor) -> tf.Tensor:
        return tf.io.encode_png(_levels(image))

    def reconstruct(
        image_bytes: tf.Tensor, label: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        pixels = tf.map_fn(decode, image_bytes, fn_output_signature=tf.uint8)
        pixels = tf.reshape(pixels, [-1, *model.image_shape])
        images = tf.cast(pixels, tf.float32) / 255.0
        images = model.reconstruct(images, **condition_on(label))
        answers = tf.map_fn(encode, images, fn_output_signature=tf.string)
        return {"reconstruction_bytes": answers}

    return reconstruct


def _row_uniform(seed: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    """Returns numbers of U[0, 1) `[batch, *shape]`, a row from its seed."""
    rows = tf.map_fn(
        lambda s: tf.random.stateless_uniform(shape, s),
        seed,
        fn_output_signature=tf.float32,
    )
    return tf.reshape(rows, [-1, *shape])


def _row_split(seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns two independent seeds `[batch, 2]` for each seed."""
    both = tf.map_fn(
        lambda s: tf.stack(seeds.split(s)), seed, fn_output_signature=tf.int32
    )
    both = tf.reshape(both, [-1, 2, 2])
    return both[:, 0], both[:, 1]
