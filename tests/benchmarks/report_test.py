"""Tests of the Markdown of the comparison."""

import pytest

from benchmarks import report


def _runs(*speeds: float) -> list[report.Run]:
    return [report.Run(speed, 3, 500.0, 0.25) for speed in speeds]


def test_report_gives_the_ratio_of_medians():
    block = report.markdown(
        {"keras_vae": _runs(30, 10, 20), "pythae": _runs(10, 10, 5)},
        55_000,
        "a machine",
    )
    assert "| keras_vae, automatic precision | 10 | 20 | 30 " in block
    assert "| Pythae | 5 | 10 | 10 | 500 | 0.25 ... 0.25 |" in block
    assert "| 3 | 20 | 5 | 4.00 |" in block
    assert "| round | keras_vae, automatic precision | Pythae |" in block
    assert "| medians | 20 | 10 | 2.00 |" in block
    assert "55,000 images, 3 epochs" in block


def test_report_of_one_side_has_no_ratio():
    block = report.markdown({"pythae": _runs(1.0)}, 128, "a machine")
    assert "ratio" not in block


def test_block_replaces_only_itself(tmp_path):
    path = tmp_path / "RESULTS.md"
    path.write_text("# Results\n\nBefore.\n")
    report.write_block(path, "one\n")
    path.write_text(path.read_text() + "\nAfter.\n")
    report.write_block(path, "two\n")
    text = path.read_text()
    assert text.startswith("# Results\n\nBefore.\n\n<!--")
    assert text.endswith("-->\n\nAfter.\n")
    assert "\ntwo\n" in text
    assert "one" not in text


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
