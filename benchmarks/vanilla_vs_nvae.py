"""A vanilla VAE beside the hierarchical models: same data, same time.

    python -m benchmarks.vanilla_vs_nvae --minutes=10

Trains the three with `apps/train.py` one after the other, each for the same
time, evaluates them on the same test images, and draws their samples side by
side. The run folders are kept, so that the same command goes on with what was
cut off; one that is finished is only drawn and evaluated again.
"""

import argparse
import json
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks import processes, records
from keras_vae.units import plus_minus

__all__ = ["main"]

_ROOT = pathlib.Path(__file__).resolve().parent.parent
_SAMPLES = 36
_COLUMNS = (
    records.Column("parameters", "parameters"),
    records.Column("epochs", "epochs"),
    records.Column("negative_elbo", "-ELBO", "nats/image"),
    records.Column("nll", "NLL", "nats/image"),
)
# Title, name of the model, and further flags of `apps/train.py`.
_MODELS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "Vanilla VAE: one latent vector, dense layers",
        "vae",
        ("--config.architecture=dense", "--config.learning_rate=1e-3"),
    ),
    ("Hierarchical VAE of dense convolutions", "hierarchical", ()),
    ("NVAE, preset cpu_mnist", "nvae", ()),
)


def _run(
    name: str, more: Sequence[str], flags: argparse.Namespace
) -> dict[str, Any]:
    """Trains and evaluates one model; returns its figures and samples."""
    from keras_vae import seeds
    from keras_vae.training import RunFolder, load_trained

    folder = flags.workdir / name
    train = [
        f"--model={name}",
        *more,
        f"--dataset={flags.dataset}",
        f"--max_minutes={flags.minutes}",
        "--noevaluate",
        "--noexport",
    ]
    if flags.manual_dir:
        train.append(f"--manual_dir={pathlib.Path(flags.manual_dir).resolve()}")
    evaluate = [f"--num_importance_samples={flags.num_importance_samples}"]
    if flags.num_images:
        evaluate.append(f"--num_images={flags.num_images}")
    for app, arguments in (("train", train), ("evaluate", evaluate)):
        workdir = f"--workdir={folder.resolve()}"
        processes.call([sys.executable, f"apps/{app}.py", workdir, *arguments])
    results = json.loads(RunFolder(folder).results.path.read_text())
    model = load_trained(folder).model
    samples = model.sample([_SAMPLES], seeds.from_int(0)).numpy()
    return {
        **results["test"][-1],
        "training": results["training"],
        "samples": samples,
    }


def _caption(title: str, figures: dict[str, Any]) -> str:
    elbo, nll = figures["elbo"], figures["nll"]
    return (
        f"{title}\n"
        f"{figures['training']['num_parameters']:,} parameters, "
        f"{figures['training']['epochs']:.1f} epochs\n"
        f"-ELBO {elbo['nats_per_image']:.2f}, "
        f"NLL {nll['nats_per_image']:.2f}"
        f"{plus_minus(nll['standard_error'], 2)} nats"
    )


def _draw(
    path: pathlib.Path, results: list[tuple[str, dict[str, Any]]]
) -> None:
    from matplotlib.figure import Figure

    from keras_vae import plotting

    figure = Figure(figsize=(4.6 * len(results), 5.4), layout="constrained")
    for axes, (title, figures) in zip(
        figure.subplots(1, len(results)), results, strict=True
    ):
        grid = plotting.image_grid(figures["samples"])
        axes.imshow(grid[..., 0], cmap="gray", vmin=0.0, vmax=1.0)
        axes.set_title(_caption(title, figures), fontsize=10)
        axes.set_axis_off()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100, bbox_inches="tight", pad_inches=0.1)


def _row(title: str, figures: dict[str, Any]) -> dict[str, Any]:
    training, nll = figures["training"], figures["nll"]
    elbo = figures["elbo"]["nats_per_image"]
    return {
        "label": title,
        "parameters": training["num_parameters"],
        "epochs": records.rounded(training["epochs"], 1),
        "negative_elbo": records.rounded(elbo, 2),
        "nll": records.figure(nll["nats_per_image"], nll["standard_error"], 2),
    }


def main() -> None:
    """Trains, evaluates and draws; prints a table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--manual_dir", help="folder of original archives")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--num_importance_samples", type=int, default=100)
    parser.add_argument(
        "--num_images", type=int, help="a seeded random subset of the test set"
    )
    parser.add_argument(
        "--workdir",
        type=pathlib.Path,
        default=_ROOT / "runs" / "vanilla_vs_nvae",
    )
    parser.add_argument(
        "--output",
        type=pathlib.Path,
        default=_ROOT / "docs" / "vanilla_vs_nvae.png",
    )
    records.add_flag(parser)
    flags = parser.parse_args()
    results = [
        (title, _run(name, more, flags)) for title, name, more in _MODELS
    ]
    _draw(flags.output, results)
    images = results[0][1]["nll"]["num_images"]
    protocol = (
        f"{flags.minutes:g} minutes each, {images:,} test images, "
        f"K = {flags.num_importance_samples}"
    )
    rows = [_row(title, figures) for title, figures in results]
    record = records.here("vanilla_vs_nvae", protocol, rows)
    title = "Three models, the same time each"
    records.publish(
        "vanilla_vs_nvae", title, "model", _COLUMNS, record, flags.results
    )


if __name__ == "__main__":
    main()
