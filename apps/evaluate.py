"""Evaluates the model of a run: bounds on its likelihood, with protocol.

Example:
    python apps/evaluate.py --workdir=runs/mnist_vae
"""

from collections.abc import Sequence

from absl import flags

from keras_vae import cli


def _define_flags() -> None:
    flags.DEFINE_string("workdir", None, "The run folder.", required=True)
    flags.DEFINE_string("weights", None, cli.WEIGHTS_HELP)
    flags.DEFINE_string("split", "test", "train, validation or test.")
    flags.DEFINE_integer(
        "num_importance_samples", 1000, "Draws for the bound on log p(x)."
    )
    flags.DEFINE_integer(
        "num_images", None, "A seeded random subset of so many; all if unset."
    )
    flags.DEFINE_boolean(
        "accept_changed_data",
        False,
        "Evaluate although the images have changed since the run began. Those "
        "that were there keep their split, and the results say what changed.",
    )
    flags.DEFINE_integer("seed", 0, "Of binarization, subset and draws.")


def main(arguments: Sequence[str]) -> None:
    cli.no_arguments(arguments)
    values = flags.FLAGS

    cli.load_tensorflow()
    from keras_vae.evaluation import EvaluationConfig, evaluate, format_table
    from keras_vae.training import RunFolder, load_trained, share_cores

    config = EvaluationConfig(
        values.split,
        values.num_importance_samples,
        values.num_images,
        values.seed,
    )
    experiment = RunFolder(values.workdir).load_experiment()
    share_cores(experiment.model, experiment.training)
    # Shown before they are written: a disk may be full.
    evaluate(
        load_trained(values.workdir, values.weights),
        config,
        accept_changed_data=values.accept_changed_data,
        show=lambda found: print(format_table(found), flush=True),
    )
    print(f"wrote {values.workdir}/results.json")


if __name__ == "__main__":
    _define_flags()
    cli.run(main)
