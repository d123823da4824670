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
from collections.abc import Sequence
from typing import Any

__all__ = ["main", "table"]


def _cases(num_sweeps: int) -> dict[str, tuple[str, dict[str, Any]]]:
    """Returns name -> verb and its arguments."""
    chains = {"num_sweeps": num_sweeps}
    return {
        "half of the pixels, at random": ("impute", chains),
        "one half of the image": ("impute", {"mask": "half", **chains}),
        "means of 2x2 blocks are known": ("upscale", {"factor": 2, **chains}),
        "means of 4x4 blocks are known": ("upscale", {"factor": 4, **chains}),
    }


def _measure(flags: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Returns the figures of each case."""
    from keras_vae.generation import ImageSource, impute, upscale
    from keras_vae.training import load_trained

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


def table(found: dict[str, dict[str, Any]]) -> str:
    """Returns the figures as Markdown, a row for each case."""
    lines = [
        "| what is hidden | unknown values | RMSE: chains | one pass | mean "
        "| gain over one pass: squared error | standard errors "
        "| log-likelihood, nats | R-hat, median | above 1.1 |",
        "|" + " --- |" * 10,
    ]
    for name, figures in found.items():
        ways, chains = figures["completions"], figures["chains"]
        gains = figures["gain_of_posterior_mean"]["one_pass"]
        error = gains["squared_error"]
        missing = gains["log_missing"]
        cells: Sequence[str] = [
            name,
            f"{figures['num_unknown'] / figures['num_values']:.0%}",
            *(
                f"{ways[key]['rmse']:.4f}"
                for key in ("posterior_mean", "one_pass", "mean_baseline")
            ),
            f"{error['mean']:.5f} ± {error['standard_error']:.5f}",
            f"{error['mean'] / error['standard_error']:.1f}",
            f"{missing['mean']:.2f} ± {missing['standard_error']:.2f}",
            *_convergence(chains),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _convergence(chains: dict[str, Any]) -> tuple[str, str]:
    """Returns the median of R-hat, and how many are above 1.1."""
    if chains["converged"] is None:
        return "none", "none"
    median = chains["median_r_hat"]
    return (
        "inf" if median is None else f"{median:.2f}",
        f"{chains['share_above_1.1']:.0%}",
    )


def main() -> None:
    """Completes images, and prints a Markdown table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--workdir", required=True, help="a run folder")
    parser.add_argument("--data_dir")
    parser.add_argument("--manual_dir", help="folder of original archives")
    parser.add_argument("--num_images", type=int, default=500)
    parser.add_argument("--num_sweeps", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", help="folder for tables and pictures")
    print(table(_measure(parser.parse_args())))


if __name__ == "__main__":
    main()
