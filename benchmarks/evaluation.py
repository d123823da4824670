"""Time and memory of the evaluation of a trained run.

    python -m benchmarks.evaluation --workdir=runs/mnist_dense

Everything is counted, from the start of the process to the written
`results.json`: imports, reading the data, 1,000 draws for each test image.
"""

import argparse
import json
import time

from benchmarks import processes

__all__ = ["main"]


def main() -> None:
    """Evaluates a run and prints one line of JSON."""
    start = time.perf_counter()
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--workdir", required=True, help="the run folder")
    parser.add_argument("--num_importance_samples", type=int, default=1000)
    flags = parser.parse_args()

    from keras_vae.evaluation import EvaluationConfig, evaluate
    from keras_vae.training import load_trained

    config = EvaluationConfig(
        num_importance_samples=flags.num_importance_samples
    )
    figures = evaluate(load_trained(flags.workdir), config)["test"]
    result = {
        "seconds": round(time.perf_counter() - start, 1),
        "peak_rss_mb": round(processes.peak_rss_mb()),
        "num_images": figures["nll"]["num_images"],
        "num_importance_samples": figures["nll"]["num_importance_samples"],
        "nll": figures["nll"]["nats_per_image"],
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
