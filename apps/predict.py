"""Asks an exported model: image files in, pictures and tables out.

Examples:
    python apps/predict.py reconstruct --saved_model=saved_models/mnist_vae \
        --output=pairs.png digits/ other.png
    python apps/predict.py encode --saved_model=... --output=codes.npz digits/
    python apps/predict.py decode --saved_model=... --output=back.png codes.npz
    python apps/predict.py sample --saved_model=... --output=new.png
    python apps/predict.py score --saved_model=... --output=scores.csv digits/
"""

from collections.abc import Sequence

from absl import flags

from keras_vae import cli


def _define_flags() -> None:
    flags.DEFINE_string(
        "saved_model",
        None,
        "A model's folder (its highest version is taken) or a version folder.",
        required=True,
    )
    flags.DEFINE_string("output", None, "The file to write.", required=True)
    flags.DEFINE_integer("num_images", 64, "Images that sample draws.")
    flags.DEFINE_integer("seed", 0, "Of sample and score.")
    flags.DEFINE_float("temperature", 1.0, "Of sample.")


def main(arguments: Sequence[str]) -> None:
    values = flags.FLAGS
    if not arguments:
        raise cli.UserError(
            "Say what to do: reconstruct, encode, decode, sample or score. "
            "Received: nothing"
        )

    cli.load_tensorflow()
    from keras_vae.serving import ExportedModel, predict

    verb, *inputs = arguments
    path = predict(
        ExportedModel(values.saved_model),
        verb,
        inputs,
        values.output,
        num_images=values.num_images,
        seed=values.seed,
        temperature=values.temperature,
    )
    print(f"wrote {path}")


if __name__ == "__main__":
    _define_flags()
    cli.run(main)
