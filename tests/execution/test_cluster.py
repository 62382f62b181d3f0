"""A Dask cluster runs what threads run: the same results, also where workers die."""

import concurrent.futures
import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.progress import Recording
from tests.validation.accuracy.test_evaluation import RAW, WEIGHTS, classifier
from zoosmith.execution import ClusterError, Executor, Task, WorkersDiedError, cluster_executor
from zoosmith.validation import ImageFolder, ValidationError, evaluate

pytest.importorskip("distributed", reason="Dask is not installed: pip install 'zoosmith[cluster]'")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Executor]:
    with cluster_executor("local:2") as executor:
        yield executor


@pytest.fixture
def pictures(tmp_path: Path) -> ImageFolder:
    """Three hundred pictures of chance, two of them broken."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    stream = np.random.RandomState(5)
    for index in range(300):
        Image.fromarray(stream.randint(0, 256, (8, 8, 3)).astype(np.uint8)).save(folder / f"{index:03}.png")
    (folder / "017.png").write_bytes(b"broken")
    (folder / "200.png").write_bytes(b"broken")
    (folder / "labels.csv").write_text("".join(f"{index:03}.png,{stream.randint(12)}\n" for index in range(300)))
    return ImageFolder(folder)


def test_results_come_in_the_order_of_the_items(cluster: Executor) -> None:
    assert cluster.workers == 2
    assert list(cluster.map(math.factorial, range(40))) == [math.factorial(n) for n in range(40)]


def test_functions_run_in_other_processes_and_their_errors_reach_the_caller(cluster: Executor) -> None:
    assert cluster.submit(os.getpid).result() != os.getpid()
    with pytest.raises(ValueError, match="negative"):
        list(cluster.map(math.factorial, [3, -1, 4]))


def test_each_call_is_made_even_one_like_an_earlier_one(cluster: Executor, tmp_path: Path) -> None:
    for _ in range(2):
        path = tmp_path / "made"
        cluster.submit(os.mkdir, os.fspath(path)).result()
        path.rmdir()


def test_a_result_that_takes_too_long_is_not_waited_for(cluster: Executor) -> None:
    job = cluster.submit(time.sleep, 3)
    with pytest.raises(concurrent.futures.TimeoutError):
        job.result(0.2)
    assert not job.done()
    assert job.cancel()


def test_an_evaluation_is_that_of_threads_to_the_last_bit(
    cluster: Executor, tmp_path: Path, pictures: ImageFolder
) -> None:
    models = [
        classifier(tmp_path / "a.onnx"),
        classifier(tmp_path / "b.onnx", WEIGHTS[::-1].copy(), shape=(5, 3, 8, 8)),
    ]
    told: list[str] = []
    spread = evaluate(models, pictures, RAW, executor=cluster, on_broken=lambda path, _: told.append(path.name))
    assert spread == evaluate(models, pictures, RAW)
    assert (spread.images, spread.broken, told) == (298, 2, ["017.png", "200.png"])


def test_a_model_that_fails_is_called_as_the_caller_knows_it(
    cluster: Executor, tmp_path: Path, pictures: ImageFolder
) -> None:
    model = classifier(tmp_path / "a.onnx", WEIGHTS * np.float32(np.nan))
    with pytest.raises(ValidationError, match=f"^{model}: gives logits"):
        evaluate([model], pictures, RAW, executor=cluster)


class Killing(Recording):
    """Kills each worker once, while images are counted."""

    def __init__(self, workers: list[int]) -> None:
        super().__init__()
        self.workers = workers

    def on_advance(self, task: Task, step: str) -> None:
        super().on_advance(task, step)
        if self.workers and task.done > 40:
            os.kill(self.workers.pop(), signal.SIGKILL)


@pytest.mark.slow
def test_a_worker_that_dies_is_replaced_and_nothing_is_lost_or_counted_twice(
    tmp_path: Path, pictures: ImageFolder
) -> None:
    pictures.samples *= 4
    models = [classifier(tmp_path / "a.onnx"), classifier(tmp_path / "b.onnx", -WEIGHTS)]
    with cluster_executor("local:2") as executor:
        workers = {executor.submit(os.getpid).result() for _ in range(2)}
        progress = Killing(sorted(workers))
        spread = evaluate(models, pictures, RAW, executor=executor, progress=progress)
        assert not progress.workers
        assert executor.submit(os.getpid).result() not in workers
    assert spread == evaluate(models, pictures, RAW)
    assert progress.steps("images")[-1] == 1200


def test_a_function_that_ends_its_workers_is_given_up_and_the_others_go_on(cluster: Executor) -> None:
    fatal = cluster.submit(os._exit, 3)
    with pytest.raises(WorkersDiedError, match="died of it"):
        fatal.result()
    # those that stand beside it on one worker may be given up with it
    others = [cluster.submit(abs, -n) for n in range(8)]
    assert [job.result() for job in others] == list(range(8))


def test_the_workers_end_with_the_block(tmp_path: Path) -> None:
    with pytest.raises(KeyError), cluster_executor("local:1") as executor:
        worker = executor.submit(os.getpid).result()
        executor.submit(time.sleep, 600)
        raise KeyError
    deadline = time.monotonic() + 30
    while Path(f"/proc/{worker}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(f"/proc/{worker}").exists()


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("local:0", r"expected local:N"),
        ("local:two", r"expected local:N"),
        ("tcp://192.0.2.1:8786", r"not encrypted: .* accept it by `plain`"),
        ("tls://192.0.2.1", r"expected local:N, or a scheduler"),
        ("nowhere.json", r"expected the file that `dask scheduler` writes"),
    ],
)
def test_a_place_that_is_wrong_or_not_encrypted_is_refused(place: str, message: str) -> None:
    with pytest.raises(ClusterError, match=message):
        cluster_executor(place)


def test_a_scheduler_of_others_is_reached_with_certificates_and_not_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dask
    import trustme

    authority = trustme.CA()
    own = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    own.private_key_and_cert_chain_pem.write_to_path(tmp_path / "own.pem")
    files = {"cert": str(tmp_path / "own.pem"), "key": str(tmp_path / "own.pem")}
    options = [
        "--tls-ca-file",
        tmp_path / "ca.pem",
        "--tls-cert",
        tmp_path / "own.pem",
        "--tls-key",
        tmp_path / "own.pem",
    ]
    place = tmp_path / "scheduler.json"
    started = []
    try:
        for role in ("scheduler", "worker"):
            command = [sys.executable, "-m", "distributed.cli.dask_" + role, "--scheduler-file", place, *options]
            command += ["--protocol", "tls", "--no-dashboard", "--host", "127.0.0.1"]
            command += ["--port", str(_free_port())] if role == "scheduler" else ["--nthreads", "1"]
            started.append(subprocess.Popen(list(map(str, command)), stderr=subprocess.DEVNULL))
            deadline = time.monotonic() + 60
            while not place.exists() and time.monotonic() < deadline:
                time.sleep(0.1)
        with (
            dask.config.set(
                {
                    "distributed.comm.tls.ca-file": str(tmp_path / "ca.pem"),
                    **{f"distributed.comm.tls.client.{key}": value for key, value in files.items()},
                }
            ),
            cluster_executor(str(place)) as executor,
        ):
            assert executor.submit(math.factorial, 5).result() == 120
        with pytest.raises(ClusterError, match="cannot be reached"):
            cluster_executor(str(place))
    finally:
        for process in started:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
