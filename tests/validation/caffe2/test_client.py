from pathlib import Path

import pytest

from zoosmith.validation import Caffe2Worker, ValidationError


def test_without_an_environment_the_error_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ZOOSMITH_CACHE", str(tmp_path))
    with pytest.raises(ValidationError, match=r"caffe2==1\.10\.2 is not installed; `zoosmith runtime install caffe2=="):
        Caffe2Worker()
