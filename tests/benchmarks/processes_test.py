"""Tests of measurements in processes of their own."""

import importlib.metadata
import sys

import pytest

from benchmarks import processes


def test_the_output_of_a_command_comes_back():
    output = processes.call([sys.executable, "-c", "print('a line')"])
    assert output == "a line\n"


def test_a_failing_command_shows_its_error():
    code = "import sys; sys.exit('no such thing')"
    with pytest.raises(RuntimeError, match="(?s)failed with 1.*no such thing"):
        processes.call([sys.executable, "-c", code])


def test_a_worker_gets_its_case_and_returns_its_last_line(monkeypatch):
    commands = []

    def call(command, env):
        commands.append(command)
        return 'chatter\n{"seconds": 2.5}\n'

    monkeypatch.setattr(processes, "call", call)
    result = processes.run_worker("benchmarks.some", {"steps": 3, "on": True})
    assert result == {"seconds": 2.5}
    assert commands[0][1:] == [
        "-m",
        "benchmarks.some",
        '--worker={"steps": 3, "on": true}',
    ]


def test_the_machine_is_one_line_with_versions():
    line = processes.machine()
    assert "\n" not in line
    assert f"keras {importlib.metadata.version('keras')}" in line


def test_peak_memory_counts_what_was_freed_again():
    code = """if True:
        from benchmarks import processes
        before = processes.peak_rss_mb()
        block = bytearray(b"x") * 200_000_000
        del block
        print(processes.peak_rss_mb() - before)
    """
    added = float(processes.call([sys.executable, "-c", code]))
    assert 190 < added < 230


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
