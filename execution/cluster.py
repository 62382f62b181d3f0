"""Functions run on a Dask cluster: processes of this machine, or of others."""

import ipaddress
import json
import logging
import signal
import sys
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor
from concurrent.futures import TimeoutError as NotInTime
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar
from urllib.parse import urlsplit

from zoosmith.execution.executor import Executor, Job, interrupts_held
from zoosmith.execution.shared import Shared, SharedElsewhere, forget, keep_recipe, recipe_of
from zoosmith.onnx_model.argument_names import argument
from zoosmith.onnx_model.errors import ZoosmithError

if TYPE_CHECKING:
    from distributed import Client, Future

Given = ParamSpec("Given")
Made = TypeVar("Made")
Result = TypeVar("Result")

_LOCAL = "local:"
_CONNECTING = 30.0
_CLOSING = 10.0
# what decides over results; Python's first two numbers decide whether pickles are read
_PACKAGES = ("zoosmith", "onnxruntime", "onnx", "numpy", "pillow")
# workers may start processes; Dask does not watch itself: its samples take a tenth of a busy machine of two cores
_LOCAL_SETTINGS = {
    "distributed.worker.daemon": False,
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "10s",
}
_LOGGERS = ("distributed", "tornado", "asyncio")


class ClusterError(ZoosmithError, ConnectionError):
    """A cluster cannot be used, or is gone. The message is one line."""


class WorkersDiedError(ClusterError, BrokenExecutor):
    """Every worker that ran a function died of it."""


def cluster_executor(place: str, *, plain: bool = False) -> "ClusterExecutor":
    """An executor on a Dask cluster.

    Dask carries pickles: whoever reaches a scheduler or a worker can run any program there. So connections to other
    machines are encrypted, and both ends show a certificate of the same authority, unless `plain` is set.

    Args:
        place: `local:N` for N processes of this machine, the address of a scheduler, as in `tls://host:8786`, or the
            file that a scheduler wrote (`--scheduler-file`). Certificates are those of Dask's settings.
        plain: whether other machines may be reached without TLS.

    Returns:
        The executor; as a context manager it ends what it started.

    Raises:
        ClusterError: Dask is not installed, the address is wrong or refused, nothing answers there, or workers have
            other versions than this machine.
    """
    try:
        import distributed  # noqa: F401 - whether it can be imported
    except ImportError as error:
        raise ClusterError(f"{place}: needs Dask: pip install 'zoosmith[cluster]'") from error
    for name in _LOGGERS:
        # what goes wrong is raised; it would be printed as well
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if place.startswith(_LOCAL):
        number = place.removeprefix(_LOCAL)
        if not number.isdecimal() or not int(number):
            raise ClusterError(f"{place}: expected local:N with a number of processes from 1")
        return _started(int(number))
    return _connected(place, plain)


class ClusterExecutor(Executor):
    """Workers of a Dask cluster. One that dies is replaced, and what it ran is run again elsewhere.

    Args:
        client: connected to the scheduler.
        close_all: ends what was started for the client.
    """

    def __init__(self, client: "Client", close_all: Callable[[], None] = lambda: None) -> None:
        super().__init__(max(1, sum(client.nthreads().values())))
        self._client = client
        self._close_all = close_all
        self._jobs: dict[str, Future] = {}
        self._shared: list[str] = []

    def submit(self, function: Callable[Given, Result], /, *args: Given.args, **kwargs: Given.kwargs) -> Job[Result]:
        """Queue `function(*args, **kwargs)`."""
        # names are never reused: each call is made, even one like an earlier one
        future = self._client.submit(_call, function, args, kwargs, pure=False)
        self._jobs[future.key] = future
        return _ClusterJob(future, self._jobs)

    def share(self, make: Callable[..., Made], *arguments: Any) -> Shared[Made]:
        """Send `make` and its arguments to each worker once, also to those that join later."""
        key, recipe = recipe_of(make, *arguments)
        if key not in self._shared:
            self._client.register_plugin(_recipe_plugin(key, recipe), name=key)
            self._shared.append(key)
        return SharedElsewhere(key)

    def close(self, *, cancel: bool) -> None:
        """Let go of the workers; what was started for this executor is ended.

        Args:
            cancel: do not wait for what is queued. What runs on other machines comes to its end there.
        """
        from distributed import wait

        try:
            if cancel:
                self._client.cancel(list(self._jobs.values()), force=True)
            elif self._jobs:
                wait(list(self._jobs.values()))
            for key in self._shared:
                self._client.unregister_worker_plugin(key)
        except Exception as error:
            if not cancel:
                raise ClusterError(f"the cluster is gone: {_line(error)}") from error
        finally:
            self._jobs.clear()
            self._client.close(timeout=5)
            self._close_all()


class _ClusterJob(Generic[Result]):
    def __init__(self, future: "Future", jobs: "dict[str, Future]") -> None:
        self._future = future
        self._jobs = jobs

    def result(self, timeout: float | None = None) -> Result:
        from distributed import KilledWorker
        from distributed import TimeoutError as DaskTimeout
        from distributed.client import FutureCancelledError
        from distributed.comm.core import CommClosedError

        try:
            value: Result = self._future.result(timeout)
        except DaskTimeout as error:
            if not self._future.done():
                raise NotInTime(f"no result after {timeout:g} s") from error
            raise
        except KilledWorker as error:
            raise WorkersDiedError(
                "each worker that took one of the functions died of it: it may need more memory than a worker has"
            ) from error
        except (FutureCancelledError, CommClosedError) as error:
            raise ClusterError(f"the cluster is gone: {_line(error)}") from error
        finally:
            if self._future.done():
                # what nobody asks for again need not be kept
                self._jobs.pop(self._future.key, None)
        return value

    def cancel(self) -> bool:
        if self._future.done():
            return False
        self._jobs.pop(self._future.key, None)
        self._future.cancel(force=True)
        return True

    def done(self) -> bool:
        return bool(self._future.done())


def _call(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    return function(*args, **kwargs)


def _recipe_plugin(key: str, recipe: bytes) -> Any:
    """A plugin that gives each worker what a value is made of."""
    from distributed import WorkerPlugin

    class Recipe(WorkerPlugin):  # type: ignore[misc]  # untyped
        def setup(self, worker: Any) -> None:
            keep_recipe(key, recipe)

        def teardown(self, worker: Any) -> None:
            forget(key)

    return Recipe()


def _interrupt_plugin() -> Any:
    """A plugin that leaves Ctrl-C to the owner of the workers, whose terminal sends it to them, too."""
    from distributed import WorkerPlugin

    class Interrupts(WorkerPlugin):  # type: ignore[misc]  # untyped
        def setup(self, worker: Any) -> None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    return Interrupts()


def _started(number: int) -> ClusterExecutor:
    """Start workers on this machine; other users of it cannot reach them, for the certificates are made anew."""
    import asyncio

    import dask
    from distributed import Client, LocalCluster

    with warnings.catch_warnings(), interrupts_held(), dask.config.set(_LOCAL_SETTINGS):
        warnings.simplefilter("ignore")
        cluster = LocalCluster(
            n_workers=number,
            threads_per_worker=1,
            processes=True,
            security=True,
            protocol="tls://",
            host="127.0.0.1",
            dashboard_address=None,
            memory_limit=0,
            silence_logs=logging.CRITICAL,
        )
        client = Client(cluster)
    client.register_plugin(_interrupt_plugin())

    def close() -> None:
        # on a busy machine workers take longer to end; they end with this process at the latest
        with suppress(TimeoutError, asyncio.TimeoutError):
            cluster.close(timeout=_CLOSING)

    return ClusterExecutor(client, close)


def _connected(place: str, plain: bool) -> ClusterExecutor:
    from distributed import Client

    address = _address(place)
    _check_encrypted(address, plain)
    try:
        client = Client(address, timeout=_CONNECTING, set_as_default=False)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise ClusterError(f"{place}: cannot be reached: {_line(error)}") from error
    try:
        client.wait_for_workers(1, timeout=_CONNECTING)
        _check_versions(place, client.run(versions))
    except (OSError, TimeoutError, NotInTime) as error:
        client.close(timeout=5)
        if isinstance(error, ClusterError):
            raise
        raise ClusterError(f"{place}: no worker joined within {_CONNECTING:g} s") from error
    return ClusterExecutor(client)


def _address(place: str) -> str:
    if not place.endswith(".json"):
        return place if "://" in place else f"tls://{place}"
    try:
        return str(json.loads(Path(place).read_text(encoding="utf-8"))["address"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ClusterError(f"{place}: expected the file that `dask scheduler` writes") from error


def _check_encrypted(address: str, plain: bool) -> None:
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if host is None or port is None:
        raise ClusterError(f"{address}: expected local:N, or a scheduler, as in tls://host:8786")
    if parts.scheme != "tls" and not plain and not _is_here(host):
        raise ClusterError(
            f"{address}: not encrypted: whoever reaches it could run programs on the workers and read all "
            f"that is sent; start the cluster with TLS and give tls://..., or accept it by {argument('plain')}"
        )


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def versions() -> dict[str, str]:
    """What decides over results in this process, and whether it can read what others pickle."""
    found = {"Python": "{}.{}".format(*sys.version_info)}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found


def _check_versions(place: str, workers: Mapping[str, Mapping[str, str]]) -> None:
    own = versions()
    for worker, theirs in workers.items():
        for name, here in own.items():
            if theirs.get(name) != here:
                raise ClusterError(
                    f"{place}: worker {worker} has {name} {theirs.get(name)}, this machine {here}: "
                    "results could differ; install the same"
                )


def _line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
