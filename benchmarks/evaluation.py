"""Time and memory of the evaluation of a trained run.

    python -m benchmarks.evaluation --workdir=runs/mnist_dense

Everything is counted, from the start of the process to the written
`results.json`: imports, reading the data, 1,000 draws for each test image.
"""

import argparse
import time

from benchmarks import processes, records

__all__ = ["main"]

_COLUMNS = (
    records.Column("seconds", "all", "s"),
    records.Column("peak_rss", "peak memory", "MB"),
)


def main() -> None:
    """Evaluates a run and prints a table."""
    start = time.perf_counter()
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--workdir", required=True, help="the run folder")
    parser.add_argument("--num_importance_samples", type=int, default=1000)
    records.add_flag(parser)
    flags = parser.parse_args()

    from keras_vae.evaluation import EvaluationConfig, evaluate
    from keras_vae.training import load_trained

    config = EvaluationConfig(
        num_importance_samples=flags.num_importance_samples
    )
    nll = evaluate(load_trained(flags.workdir), config)["test"]["nll"]
    row = {
        "label": f"evaluation of {flags.workdir}",
        "seconds": records.rounded(time.perf_counter() - start, 0),
        "peak_rss": records.rounded(processes.peak_rss_mb(), 0),
    }
    protocol = (
        f"{nll['num_images']:,} test images, "
        f"K = {nll['num_importance_samples']:,}: NLL "
        f"{nll['nats_per_image']:.2f}"
    )
    record = records.here("evaluation", protocol, [row])
    title = "How long whole commands take"
    records.publish(
        "whole_commands", title, "command", _COLUMNS, record, flags.results
    )


if __name__ == "__main__":
    main()
