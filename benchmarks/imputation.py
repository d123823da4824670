"""Missing pixels drawn by chains, against one pass through the decoder.

    python apps/train.py --model=vae --dataset=mnist --epochs=8
    python -m benchmarks.imputation --workdir=runs/mnist_vae

Hides half of each test image, at random pixels and as a half of the image, or
all but a lower resolution of it, and compares E[x|o] of the chains of
`apps/generate.py impute` and `upscale` with one pass through encoder and
decoder and with the mean of the training images: squared error and
log-likelihood of what is unknown, the differences over the same images.
"""

import argparse
import pathlib
import tempfile
from typing import Any

from benchmarks import records

__all__ = ["main", "row"]

_COLUMNS = (
    records.Column("unknown", "unknown values", "%"),
    records.Column("rmse_chains", "RMSE: chains"),
    records.Column("rmse_one_pass", "one pass"),
    records.Column("rmse_mean", "mean image"),
    records.Column("gain", "gain in squared error"),
    records.Column("gain_errors", "gain", "standard errors"),
    records.Column("gain_log_likelihood", "gain in log-likelihood", "nats"),
    records.Column("r_hat", "R-hat, median"),
    records.Column("not_converged", "R-hat above 1.1", "%"),
)


def _cases(num_sweeps: int) -> dict[str, tuple[str, dict[str, Any]]]:
    """Returns name -> verb and its arguments."""
    chains = {"num_sweeps": num_sweeps}
    return {
        "half of the pixels, at random": ("impute", chains),
        "one half of the image": ("impute", {"mask": "half", **chains}),
        "all but the means of 2x2 blocks": ("upscale", {"factor": 2, **chains}),
        "all but the means of 4x4 blocks": ("upscale", {"factor": 4, **chains}),
    }


def _measure(flags: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Returns the figures of each case."""
    from keras_vae.training import load_trained
    from keras_vae.use import ImageSource, impute, upscale

    trained = load_trained(flags.workdir)
    verbs = {"impute": impute, "upscale": upscale}
    source = ImageSource(
        num_images=flags.num_images,
        seed=flags.seed,
        data_dir=flags.data_dir,
        manual_dir=flags.manual_dir,
    )
    found = {}
    for name, (verb, arguments) in _cases(flags.num_sweeps).items():
        with tempfile.TemporaryDirectory() as folder:
            output = pathlib.Path(flags.output or folder) / name
            written = verbs[verb](trained, source, output, **arguments)
        print(f"{name}\n{written.report}\n", flush=True)
        found[name] = written.figures
    return found


def row(name: str, figures: dict[str, Any]) -> dict[str, Any]:
    """Returns the row of a case."""
    ways, chains = figures["completions"], figures["chains"]
    gains = figures["gain_of_posterior_mean"]["one_pass"]
    error, missing = gains["squared_error"], gains["log_missing"]
    share = figures["num_unknown"] / figures["num_values"]
    ratio = error["mean"] / error["standard_error"]
    return {
        "label": name,
        "unknown": records.rounded(100 * share, 0),
        "rmse_chains": records.rounded(ways["posterior_mean"]["rmse"], 4),
        "rmse_one_pass": records.rounded(ways["one_pass"]["rmse"], 4),
        "rmse_mean": records.rounded(ways["mean_baseline"]["rmse"], 4),
        "gain": records.figure(error["mean"], error["standard_error"], 5),
        "gain_errors": records.rounded(ratio, 1),
        "gain_log_likelihood": records.figure(
            missing["mean"], missing["standard_error"], 2
        ),
        **_convergence(chains),
    }


def _convergence(chains: dict[str, Any]) -> dict[str, Any]:
    """Returns the median of R-hat, if finite, and how many are above 1.1."""
    if chains["converged"] is None:
        return {}
    above = records.rounded(100 * chains["share_above_1.1"], 0)
    median = chains["median_r_hat"]
    if median is None:
        return {"not_converged": above}
    return {"r_hat": records.rounded(median, 2), "not_converged": above}


def main() -> None:
    """Completes images, and prints a table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--workdir", required=True, help="a run folder")
    parser.add_argument("--data_dir")
    parser.add_argument("--manual_dir", help="folder of original archives")
    parser.add_argument("--num_images", type=int, default=500)
    parser.add_argument("--num_sweeps", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", help="folder for tables and pictures")
    records.add_flag(parser)
    flags = parser.parse_args()
    found = _measure(flags)
    protocol = (
        f"{flags.num_images} test images, {flags.num_sweeps} sweeps of each "
        f"chain, seed {flags.seed}"
    )
    rows = [row(name, figures) for name, figures in found.items()]
    record = records.here("imputation", protocol, rows)
    title = "Missing pixels drawn by chains"
    label = "what is hidden"
    records.publish("imputation", title, label, _COLUMNS, record, flags.results)


if __name__ == "__main__":
    main()
