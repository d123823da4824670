"""Tests of how the apps run and end."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest

from keras_vae import cli
from keras_vae.errors import UserError
from tests.apps import app

_KILL = "import os, time; os.kill(os.getpid(), 15)"


def test_interruptions_have_the_exit_codes_of_shells():
    for number in (signal.SIGINT, signal.SIGTERM):
        assert cli.interruption_code(number.name) == 128 + number


def test_arguments_where_only_flags_are_taken():
    cli.no_arguments([])
    with pytest.raises(UserError, match="Received: a b"):
        cli.no_arguments(["a", "b"])


def _run(code: str, tmp_path: pathlib.Path):
    """Runs `main` of a small app in a process of its own."""
    path = tmp_path / "small_app.py"
    # A shell starts what is in the background with SIGINT ignored.
    heard = "import signal; signal.signal(2, signal.default_int_handler)"
    path.write_text(
        f"{heard}\nfrom keras_vae import cli\n{code}\ncli.run(main)\n"
    )
    return subprocess.run(
        [sys.executable, str(path)],
        check=False,
        env=app.environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("body", "code", "stdout", "stderr"),
    [
        ("return None", 0, "", ""),
        ("return 143", 143, "", ""),
        ("raise cli.UserError('Bad. Received: x')", 2, "", "error: Bad. R"),
        ("raise KeyboardInterrupt", 130, "", "stopped by SIGINT"),
        (f"{_KILL}; time.sleep(9)", 143, "", "stopped by SIGTERM"),
        (
            f"try:\n    {_KILL}; time.sleep(9)\n"
            "  except BaseException as e: raise ImportError('half') from e",
            143,
            "",
            "stopped by SIGTERM",
        ),
        (
            # As C++ code does, which forgets what it was interrupted by.
            f"try:\n    {_KILL}; time.sleep(9)\n"
            "  except BaseException: pass\n  raise TypeError",
            143,
            "",
            "stopped by SIGTERM",
        ),
        (
            f"try:\n    {_KILL.replace('15', '2')}; time.sleep(9)\n"
            "  except BaseException: pass\n  raise cli.UserError('x')",
            130,
            "",
            "stopped by SIGINT",
        ),
        ("print(arguments)", 0, "[]\n", ""),
        ("raise OSError(28, 'No space', '/x')", 3, "", "error: Files cannot"),
        ("raise OSError(30, 'Read-only', '/x')", 3, "", "error: Files canno"),
        ("raise MemoryError", 4, "", "error: There is not enough memory"),
        ("return bytearray(2**62)", 4, "", "error: There is not enough me"),
    ],
)
def test_exit_codes(body, code, stdout, stderr, tmp_path):
    result = _run(f"def main(arguments):\n  {body}", tmp_path)
    assert result.returncode == code
    assert result.stdout == stdout
    assert result.stderr.startswith(stderr)
    assert "Traceback" not in result.stderr


def test_terminated_writer_leaves_nothing(tmp_path):
    code = (
        "import os, pathlib, time\n"
        "from keras_vae.io.outputs import write_folder\n"
        "def write(folder):\n"
        "  (folder / 'a.png').write_text('half'); os.kill(os.getpid(), 15)\n"
        "  time.sleep(9)\n"
        "def main(arguments):\n"
        f"  write_folder(pathlib.Path({str(tmp_path)!r}) / 'out' / 'x', write)"
    )
    result = _run(code, tmp_path)
    assert (result.returncode, result.stderr) == (143, "stopped by SIGTERM\n")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("body", "code"), [(_KILL, 143), ("raise KeyboardInterrupt", 130)]
)
def test_interruption_of_an_import_has_no_traceback(body, code, tmp_path):
    (tmp_path / "my_parts.py").write_text(f"{body}\nimport time\ntime.sleep(9)")
    result = _run(
        "import sys; sys.argv += ['--import', 'my_parts']\n"
        "def main(arguments): pass",
        tmp_path,
    )
    assert result.returncode == code
    assert result.stderr.splitlines() == [
        f"stopped by {'SIGTERM' if code == 143 else 'SIGINT'}"
    ]


def test_failures_are_told_in_two_lines(tmp_path):
    body = "print('done'); raise OSError(28, 'No space left', '/runs/x')"
    result = _run(f"def main(arguments):\n  {body}", tmp_path)
    assert result.stdout == "done\n"
    assert result.stderr == (
        "error: Files cannot be written or read: No space left.\n"
        "Make room there, then repeat the command. Received: /runs/x\n"
    )


def test_figures_that_cannot_be_written_are_printed(tmp_path):
    body = (
        "error = cli.UserError('Full.'); error.report = 'NLL 80'; raise error"
    )
    result = _run(f"def main(arguments):\n  {body}", tmp_path)
    assert result.stdout == "NLL 80\n"
    assert result.stderr == "error: Full.\n"


def test_output_that_is_full(tmp_path):
    path = tmp_path / "small_app.py"
    code = "def main(arguments):\n  print('figures')"
    path.write_text(f"from keras_vae import cli\n{code}\ncli.run(main)\n")
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [sys.executable, str(path)],
            check=False,
            env=app.environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert result.returncode == 3
    assert len(result.stderr.splitlines()) == 2
    assert "No space left on device" in result.stderr


def test_message_that_cannot_be_written_keeps_its_code(tmp_path):
    path = tmp_path / "small_app.py"
    code = "def main(arguments):\n  raise cli.UserError('no')"
    path.write_text(f"from keras_vae import cli\n{code}\ncli.run(main)\n")
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [sys.executable, str(path)],
            check=False,
            env=app.environment(),
            stdout=subprocess.PIPE,
            stderr=full,
            timeout=60,
        )
    assert result.returncode == 2


@pytest.mark.parametrize(
    "defect", ["ValueError('a defect')", "FileNotFoundError(2, 'a defect')"]
)
def test_defects_keep_their_traceback(defect, tmp_path):
    code = f"def main(arguments):\n  raise {defect}"
    result = _run(code, tmp_path)
    assert result.returncode == 1
    assert "Traceback" in result.stderr
    assert "a defect" in result.stderr


def test_reader_that_goes_away_is_no_error(tmp_path):
    code = "def main(arguments):\n  for i in range(10**5): print(i)"
    path = tmp_path / "small_app.py"
    path.write_text(f"from keras_vae import cli\n{code}\ncli.run(main)\n")
    read, write = os.pipe()
    process = subprocess.Popen(
        [sys.executable, str(path)],
        env=app.environment(),
        stdout=write,
        stderr=subprocess.PIPE,
    )
    os.close(write)
    os.read(read, 10)
    os.close(read)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 0
    assert stderr == b""


def test_package_is_imported_without_tensorflow():
    code = (
        "import sys, keras_vae, keras_vae.cli, keras_vae.config; "
        "assert keras_vae.__version__; dir(keras_vae); "
        "assert 'tensorflow' not in sys.modules; "
        "assert 'numpy' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        env=app.environment(),
        timeout=60,
    )


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
