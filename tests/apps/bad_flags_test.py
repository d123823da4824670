"""Tests of wrong flags: a short message, exit code 2, nothing left."""

import pytest

from tests.apps import app


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--model=vea"], ["Unknown model", "'vae'", "--model=vea"]),
        (["--model", "autoencodr"], ["'autoencoder'"]),
        (["--epocs=3"], ["epocs", "epochs"]),
        (["--config.latent_dims=3"], ["config.latent_dim"]),
        (["digits"], ["Only flags are taken. Received: digits"]),
        (["--epochs=-1"], ["epochs must be", "Received: epochs=-1"]),
        (["--epochs=0"], ["epochs must be", "Received: epochs=0"]),
        (["--epochs=many"], ["epochs=many"]),
        (["--epochs=1.5"], ["epochs=1.5"]),
        (["--max_minutes=nan"], ["max_minutes must be", "nan"]),
        (["--max_minutes=0"], ["max_minutes must be", "above 0"]),
        (["--max_minutes=inf"], ["max_minutes must be", "inf"]),
        (["--seed=-1"], ["seed must be", "Received: seed=-1"]),
        (["--seed=2147483648"], ["seed must be", "at most 2147483647"]),
        (["--workdir="], ["workdir must not be empty", "Received: workdir="]),
        (["--export_dir="], ["export_dir must not be empty"]),
        (["--init_from="], ["init_from must not be empty"]),
        (["--patience=-2"], ["patience must be"]),
        (["--keep_checkpoints=0"], ["keep_checkpoints must be"]),
        (["--checkpoint_seconds=nan"], ["checkpoint_seconds must be"]),
        (["--distribution=mirored"], ["'mirrored'"]),
        (["--precision=float64"], ["precision", "float32"]),
        (["--jit_compile=maybe"], ["jit_compile"]),
        (["--num_cpu_devices=0"], ["num_cpu_devices must be at least 1"]),
        (["--batch_parts=-1"], ["batch_parts must be", "=-1"]),
        (["--resize=32"], ["resize must be a list of 2 numbers", "=(32,)"]),
        (["--resize=x"], ["--resize=32,64", "Received: x"]),
        (["--config.learning_rate=nan"], ["config.learning_rate must be"]),
        (["--config.learning_rate=0"], ["config.learning_rate", "above 0"]),
        (["--config.learning_rate=fast"], ["config.learning_rate=fast"]),
        (["--config.latent_dim=0"], ["config.latent_dim must be"]),
        (["--config.latent_dim=-3"], ["config.latent_dim must be"]),
        (["--config.batch_size=0"], ["config.batch_size must be"]),
        (["--config.objective.beta=-1"], ["config.objective.beta must be"]),
        (["--config.beta=2"], ["--config.objective.beta.", "--config.beta=2"]),
        (
            ["--config.architecture.filters=32"],
            ["config.architecture.filters and config.architecture.num_blocks"],
        ),
        (
            ["--config.architecture.filters=wide"],
            ["config.architecture.filters must be"],
        ),
        (
            ["--config.architecture.hidden_units=32"],
            ["setting of dense", "--config.architecture=dense"],
        ),
        (
            ["--config.objective=squared_error"],
            ["a code without noise", "--model=autoencoder", "--model=vae"],
        ),
        (["--import=no_such_parts"], ["no module no_such_parts"]),
        (["--config.architecture=dens"], ["'dense'"]),
        (["--config.posterior=diag"], ["'diagonal'"]),
        (["--config.likelihood=bernouli"], ["'bernoulli'"]),
    ],
    ids=lambda value: value[0] if value[0].startswith("-") else "",
)
def test_wrong_flag_of_train(arguments, parts, tmp_path):
    result = app.run("train", *arguments, cwd=tmp_path)
    app.assert_refused(result, *parts)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["evaluate", "export", "predict"])
def test_missing_flag_is_named(name, tmp_path):
    flag = "output" if name == "predict" else "workdir"
    app.assert_refused(app.run(name, cwd=tmp_path), f"--{flag}")


@pytest.mark.parametrize("name", ["evaluate", "export"])
def test_arguments_are_refused(name, tmp_path):
    flags = ["--workdir=run"] + ["--export_dir=e"] * (name == "export")
    result = app.run(name, *flags, "more", cwd=tmp_path)
    app.assert_refused(result, "Only flags are taken. Received: more")


@pytest.mark.parametrize(
    ("where", "received"),
    [((), "neither"), (("--saved_model=m", "--server=host:8500"), "both")],
)
def test_predict_asks_one_model(where, received, tmp_path):
    result = app.run(
        "predict", "sample", "--output=o.png", *where, cwd=tmp_path
    )
    parts = ["--saved_model=DIR or --server=ADDRESS", f"Received: {received}"]
    app.assert_refused(result, *parts)


@pytest.mark.parametrize(
    ("command", "flag"),
    [
        ("reconstruct", "--temperature=0.5"),
        ("encode", "--num_images=3"),
        ("decode", "--seed=1"),
        ("score", "--temperature=0"),
    ],
)
def test_predict_refuses_flags_of_other_verbs(command, flag, tmp_path):
    flags = ("--saved_model=m", "--output=o.png", flag)
    result = app.run("predict", command, *flags, cwd=tmp_path)
    name = flag.partition("=")[0]
    app.assert_refused(result, f"does not take {name}", f"Received: {flag}")


@pytest.mark.parametrize(
    "flag",
    ["--timeout=3", "--retries=0", "--model_name=vae", "--tls_ca=ca.pem"],
)
def test_predict_refuses_flags_of_a_server_without_one(flag, tmp_path):
    flags = ("--saved_model=m", "--output=o.png", flag)
    result = app.run("predict", "sample", *flags, cwd=tmp_path)
    name = flag.partition("=")[0]
    app.assert_refused(result, f"{name} does nothing", f"Received: {name}=")


@pytest.mark.parametrize(
    ("name", "where"),
    [("predict", "--saved_model=m"), ("generate", "--workdir=m")],
)
@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["smaple"], "'sample'? Received: smaple"),
        (["paint"], "Received: paint"),
        (["sample", "a.png"], "sample takes no files. Received: a.png"),
    ],
)
def test_what_no_verb_takes_is_refused(name, where, arguments, part, tmp_path):
    result = app.run(name, *arguments, where, "--output=o.png", cwd=tmp_path)
    app.assert_refused(result, part)


@pytest.mark.parametrize(
    ("name", "where"),
    [("predict", "--saved_model=none"), ("generate", "--workdir=none")],
)
def test_an_output_is_checked_before_the_model_is_loaded(
    name, where, warm_process, tmp_path
):
    flags = (where, "--output=o.jpg")
    result = warm_process.run(name, "sample", *flags, cwd=tmp_path)
    app.assert_refused(
        result, "sample writes a .png file", "Received: --output=o.jpg"
    )


def test_predict_without_a_command_lists_them(tmp_path):
    result = app.run(
        "predict", "--saved_model=m", "--output=o.png", cwd=tmp_path
    )
    app.assert_refused(result, "reconstruct, encode, decode, sample, score")


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
