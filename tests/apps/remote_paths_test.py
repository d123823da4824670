"""Every app refuses a remote path, and makes no folder of its name."""

import pytest

from tests.apps import app


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("train", ["--workdir=gs://bucket/run"]),
        ("train", ["--data_dir=gs://bucket/data"]),
        ("train", ["--manual_dir=s3://bucket/archives"]),
        ("train", ["--export_dir=hdfs://host/model"]),
        ("evaluate", ["--workdir=s3://bucket/run"]),
        ("export", ["--workdir=gs://b/run", "--export_dir=model"]),
        ("export", ["--workdir=run", "--export_dir=gs://b/model"]),
        ("export", ["--export_dir=model", "--serving_files=gs://b/deploy"]),
        ("generate", ["sample", "--workdir=run", "--output=gs://b/new.png"]),
        ("generate", ["sample", "--workdir=gs://b/run", "--output=new.png"]),
        ("predict", ["sample", "--saved_model=gs://b/m", "--output=new.png"]),
    ],
)
def test_remote_path_is_refused(name, arguments, warm_process, tmp_path):
    result = warm_process.run(name, *arguments, cwd=tmp_path)
    app.assert_refused(result, "must be a local path", "Received: ")
    assert list(tmp_path.iterdir()) == []


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
