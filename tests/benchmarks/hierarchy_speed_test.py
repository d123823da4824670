"""Tests of the measurement of the hierarchical model, with a tiny one."""

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import hierarchy_parts, hierarchy_speed

_SETTINGS = {
    "filters": (3,),
    "bottlenecks": (2,),
    "encoder_blocks": (0,),
    "decoder_blocks": (0,),
    "num_groups": (1,),
    "latent_channels": 1,
    "top_latent_dim": 2,
    "dense_units": 4,
    "dense_groups": 0,
    "batch_size": 4,
    "learning_rate_warmup": 0.0,
}


@pytest.fixture
def case(tmp_path):
    path = tmp_path / "images.npy"
    images = np.random.default_rng(0).integers(0, 256, [24, 28, 28, 1])
    np.save(path, images.astype(np.uint8))
    return {
        "settings": _SETTINGS,
        "precision": "float32",
        "data": str(path),
        "epochs": 2,
        "steps": 1,
        "repeats": 1,
    }


def test_rate_leaves_out_what_is_between_the_pairs():
    pairs = [((1.0, 16), (3.0, 48)), ((10.0, 64), (12.0, 96))]
    assert hierarchy_speed._rate(pairs) == 16.0


def test_convolutions_of_a_graph_are_found():
    first, second = (
        tf.Variable(tf.ones(shape)) for shape in ([3, 3, 1, 2], [1, 1, 2, 2])
    )

    @tf.function
    def gradients(image):
        with tf.GradientTape() as tape:
            x = tf.nn.conv2d(image, first, 2, "VALID")
            for _ in range(3):
                x = tf.nn.conv2d(x, second, 1, "SAME")
        return x, tape.gradient(x, [first, second])

    graph = gradients.get_concrete_function(tf.TensorSpec([5, 9, 9, 1])).graph
    reads_image = hierarchy_parts.Convolution(
        (5, 9, 9, 1), (3, 3, 1, 2), (5, 4, 4, 2), 2, "VALID", "float32"
    )
    inner = hierarchy_parts.Convolution(
        (5, 4, 4, 2), (1, 1, 2, 2), (5, 4, 4, 2), 1, "SAME", "float32"
    )
    assert hierarchy_parts.find_convolutions(graph) == {
        reads_image: (1, 1, 0),
        inner: (3, 3, 3),
    }
    # 80 outputs of 9 products; 160 outputs, of 2 channels.
    assert reads_image.flops == 2 * 5 * 4 * 4 * 2 * 9
    assert inner.flops == 2 * 5 * 4 * 4 * 2 * 2


def test_products_of_a_graph_are_found():
    weights = tf.Variable(tf.ones([3, 2]))

    @tf.function
    def gradients(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.matmul(x, weights)
        return y, tape.gradient(y, [x, weights])

    graph = gradients.get_concrete_function(tf.TensorSpec([5, 3])).graph
    product = hierarchy_parts.Convolution(
        (5, 3), (3, 2), (5, 2), 1, "VALID", "float32"
    )
    assert hierarchy_parts.find_convolutions(graph) == {product: (1, 1, 1)}
    assert product.flops == 2 * 5 * 3 * 2


def test_convolutions_of_the_model_are_timed(case):
    result = hierarchy_parts.convolutions(case)
    shapes = result["shapes"]
    # The first layer reads 2x2 patches, and no gradient goes further up.
    (first,) = (s for s in shapes if tuple(s["filter"]) == (3, 3, 4, 3))
    assert tuple(first["input"]) == (4, 14, 14, 4)
    # Two passes of 4 * 14 * 14 * 3 outputs of 36 products.
    assert first["flops"] == 2 * 2 * 4 * 14 * 14 * 3 * 36
    assert result["seconds"] == pytest.approx(sum(s["seconds"] for s in shapes))
    assert min(s["seconds"] for s in shapes) > 0


def test_convolutions_of_parts_do_the_same_work(case):
    whole = hierarchy_parts.convolutions(case)
    parted = hierarchy_parts.convolutions({**case, "parts": 2})
    assert parted["flops"] == whole["flops"]
    for one, other in zip(parted["shapes"], whole["shapes"], strict=True):
        assert 2 * one["input"][0] == other["input"][0]
        assert one["input"][1:] == other["input"][1:]


def test_parts_are_timed_in_order(case):
    parts = hierarchy_parts.parts(case)
    assert next(iter(parts)) == "the forward pass and the loss"
    assert len(parts) == 5
    assert min(parts.values()) > 0


@pytest.mark.parametrize("parts", [1, 2])
def test_the_bare_step_does_what_the_step_of_the_model_does(case, parts):
    case = {**case, "parts": parts}
    image = tf.cast(
        tf.random.stateless_uniform([4, 28, 28, 1], (1, 2)) < 0.3, "float32"
    )
    weights = []
    for bare in (False, True):
        state = hierarchy_parts.make(case)
        before = _flat(state)
        state.model.compile(optimizer=state.optimizer)
        if bare:
            hierarchy_parts.make_step(state, "update")(image)
        else:
            state.model.train_step((image,))
        assert state.step == 1
        assert np.abs(_flat(state) - before).max() > 1e-4
        weights.append(_flat(state))
    np.testing.assert_allclose(weights[0], weights[1], rtol=1e-5, atol=1e-7)


def _flat(state):
    variables = state.model.trainable_variables
    return np.concatenate([v.numpy().ravel() for v in variables])


def test_fit_and_the_loop_have_a_speed(case):
    # 24 steps are two executions.
    single = {**case, "settings": {**_SETTINGS, "batch_size": 1}}
    fitted = hierarchy_speed.fit(single)
    assert fitted["epochs"] > 0
    assert fitted["steps"] > 0
    assert hierarchy_speed.loop(case)["steps"] > 0


def test_rows_have_shares_and_differences():
    results = {
        "fit": {"steps": 200.0, "epochs": 160.0},
        "loop": {"steps": 250.0},
        "convolutions": {
            "seconds": 0.25,
            "flops": 10**9,
            "shapes": [
                {
                    "input": [100, 14, 14, 32],
                    "filter": [3, 3, 32, 16],
                    "count": 2,
                    "seconds": 0.25,
                    "flops": 10**9,
                },
                {
                    "input": [100, 32],
                    "filter": [32, 16],
                    "count": 1,
                    "seconds": 0.125,
                    "flops": 10**9,
                },
            ],
        },
        "parts": {"the forward pass": 0.125, "the gradient": 0.375},
    }
    rows = hierarchy_speed.speed_rows(results, batch_size=100)
    assert [tuple(map(str, row.values())) for row in rows[1:]] == [
        ("`fit`, training steps", "200", "0.5000", "2", "50"),
        ("bare loop", "250", "0.4000", "2", "62"),
        ("products alone", "400", "0.2500", "4", "100"),
    ]
    _, gradient = hierarchy_speed.step_rows(results["parts"])
    assert str(gradient["seconds"]) == "0.3750"
    assert str(gradient["more"]) == "0.2500"
    _, *products = hierarchy_speed.product_rows(
        results["convolutions"]["shapes"]
    )
    assert products == [
        ["3x3 convolution, 32 to 16", "14x14", "2", "250.00", "4"],
        ["matrix, 32 to 16", "100 rows", "1", "125.00", "8"],
    ]


@pytest.mark.parametrize("flag", ["--epochs=1", "--num_images=4095"])
def test_flags_out_of_range_are_refused(flag, capsys):
    with pytest.raises(SystemExit, match="2"):
        hierarchy_speed.main([flag])
    assert "must be at least" in capsys.readouterr().err


def test_a_precision_that_is_none_is_refused_before_any_work(capsys):
    with pytest.raises(SystemExit, match="2"):
        hierarchy_speed.main(["--precisions", "float32", "bfloat16"])
    assert "invalid choice: 'bfloat16'" in capsys.readouterr().err


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
