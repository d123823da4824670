"""Records what a run folder says of its likelihood, as `evaluate.py` left it.

    python -m benchmarks.likelihoods --workdir=RUN --name=vae_vamp_10min \\
        --label="`vae` with a VampPrior, 10 minutes" \\
        --protocol="nothing beside it" --results=benchmarks/results

Command, machine and versions are the run's own. The commit is that of the
checkout, or `--commit`.
"""

import argparse
import datetime
import json
import pathlib
import shlex
from collections.abc import Sequence
from typing import Any

from benchmarks import processes, records

__all__ = ["main", "record", "row"]

_COLUMNS = (
    records.Column("parameters", "parameters"),
    records.Column("epochs", "epochs"),
    records.Column("negative_elbo", "-ELBO", "nats/image"),
    records.Column("nll", "NLL", "nats/image"),
    records.Column("draws", "K"),
    records.Column("kl", "KL of the groups", "nats"),
)
# Flags that say where things lie on one machine.
_PLACES = ("--workdir", "--manual_dir", "--data_dir")


def row(label: str, results: dict[str, Any]) -> dict[str, Any]:
    """Returns the row of the last evaluation on the test images.

    Args:
        label: Of the row.
        results: What `results.json` holds.
    """
    training, test = results["training"], results["test"][-1]
    elbo, nll = (
        records.figure(figure["nats_per_image"], figure["standard_error"], 2)
        for figure in (test["elbo"], test["nll"])
    )
    found = {
        "label": label,
        "parameters": training["num_parameters"],
        "epochs": records.rounded(training["epochs"], 1),
        "negative_elbo": elbo,
        "nll": nll,
        "draws": test["nll"]["num_importance_samples"],
    }
    groups = test.get("latent", {}).get("groups", [])
    kl = [records.rounded(group["kl_divergence"], 1) for group in groups]
    return {**found, "kl": kl} if len(kl) > 1 else found


def _commands(config: dict[str, Any], nll: dict[str, Any]) -> list[str]:
    words = [w for w in config["command"] if w.split("=")[0] not in _PLACES]
    evaluate = (
        "python apps/evaluate.py --workdir=RUN "
        f"--num_importance_samples={nll['num_importance_samples']}"
    )
    subset = f" --num_images={nll['num_images']}"
    return [f"python {shlex.join(words)}", evaluate + subset]


def record(
    workdir: pathlib.Path, name: str, label: str, protocol: str, commit: str
) -> records.Record:
    """Returns the record of a run folder.

    Args:
        workdir: The run folder.
        name: Of the record.
        label: Of its row.
        protocol: What the folder cannot know, as what ran beside it.
        commit: The version that was run.
    """
    config = json.loads((workdir / "config.json").read_text())
    path = workdir / "results.json"
    results = json.loads(path.read_text())
    machine, versions = config["machine"], config["versions"]
    devices = ", ".join(machine["accelerators"]) or "no accelerator"
    nll = results["test"][-1]["nll"]
    precision = results["training"]["precision"]
    return records.Record(
        name,
        f"{precision}; {nll['num_images']:,} test images; {protocol}",
        f"{machine['system']}, {machine['cpus']} CPUs, {devices}; Python "
        f"{versions['python']}, TensorFlow {versions['tensorflow']}, Keras "
        f"{versions['keras']}",
        commit,
        datetime.date.fromtimestamp(path.stat().st_mtime).isoformat(),
        _commands(config, nll),
        [row(label, results)],
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the likelihood of a run as a table, and records it.

    Args:
        arguments: Command-line arguments; those of the process if None.
    """
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--workdir", type=pathlib.Path, required=True)
    parser.add_argument("--name", required=True, help="of the record")
    parser.add_argument("--label", required=True, help="of its row")
    parser.add_argument("--protocol", required=True, help="what ran beside it")
    parser.add_argument("--commit", help="that was run; HEAD unless given")
    parser.add_argument("--table", default="likelihoods", help="its file")
    records.add_flag(parser)
    flags = parser.parse_args(arguments)
    commit = flags.commit or processes.head()
    found = record(
        flags.workdir, flags.name, flags.label, flags.protocol, commit
    )
    title = "Likelihoods"
    records.publish(flags.table, title, "model", _COLUMNS, found, flags.results)


if __name__ == "__main__":
    main()
