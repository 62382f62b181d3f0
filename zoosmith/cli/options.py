"""Options that several commands share."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from zoosmith.cli.command import Settings
from zoosmith.cli.option_types import (
    OUTPUT_PATH,
    PAGE_PATH,
    PATH,
    Dimension,
    FreedSize,
    NamedShape,
    Names,
    Number,
    Renaming,
)

if TYPE_CHECKING:
    from zoosmith.execution import Executor
    from zoosmith.validation.inputs.random_values import InputShape
    from zoosmith.validation.verification.proof import Limits

Function = TypeVar("Function", bound=Callable[..., Any])

_SEED = click.IntRange(0, 2**32 - 1)


def seed_option(help: str = "Chooses the random inputs.") -> Callable[[Function], Function]:
    """`--seed`."""
    return click.option("--seed", type=_SEED, default=0, show_default=True, help=help)


def output_option(help: str, metavar: str = "OUT.onnx") -> Callable[[Function], Function]:
    """`-o/--output`: a file to write, `-` for the standard output."""
    return click.option("-o", "--output", required=True, metavar=metavar, type=OUTPUT_PATH, help=help)


def follow_links_option(*models: str) -> Callable[[Function], Function]:
    """`--follow-links`, for the arguments and options of these names, which are files of models.

    The command gets each of them as a `LinkedPath` where it is given.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def with_links(*args: Any, follow_links: bool, **named: Any) -> Any:
            from zoosmith.onnx_model.links import LinkedPath

            for name in models if follow_links else ():
                given = named[name]
                named[name] = tuple(map(LinkedPath, given)) if isinstance(given, tuple) else given and LinkedPath(given)
            return function(*args, **named)

        return click.option(
            "--follow-links",
            is_flag=True,
            help="Read data of a model over links, as caches have them. Without, a link to it is refused.",
        )(with_links)

    return decorate  # type: ignore[return-value]  # the option takes what the inner function lacks


def providers_option(function: Function) -> Function:
    """`--providers`: execution providers of ONNX Runtime, as a list of names or None."""
    return click.option(
        "--providers",
        type=Names(),
        metavar="LIST",
        help="Execution providers of ONNX Runtime, the preferred first, as in CUDA,CPU.  [default: CPU]",
    )(function)


def html_option(function: Function) -> Function:
    """`--html`: a page of the result, which the command's terminal writes."""
    return click.option(
        "--html",
        type=PAGE_PATH,
        metavar="FILE",
        expose_value=False,
        callback=_remember_page,
        help="Write the result as a page with tables and plots, too.",
    )(function)


def _remember_page(context: click.Context, parameter: click.Parameter, value: Path | None) -> None:
    context.ensure_object(Settings).html = value


def jobs_option(help: str) -> Callable[[Function], Function]:
    """`--jobs`: how much runs at the same time."""
    return click.option("--jobs", type=click.IntRange(1), metavar="N", help=help)


def cluster_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--cluster` and `--no-tls`, which reach the command as `workers`: opens the executor, or None without them."""

    @wraps(function)
    def with_workers(*args: Any, cluster: str | None, no_tls: bool, **named: Any) -> Any:
        if no_tls and cluster is None:
            raise click.UsageError("--no-tls is of --cluster")
        for option in ("threads", "jobs"):
            if cluster is not None and named.get(option) is not None:
                raise click.UsageError(f"--{option} is of this machine; of a cluster the workers decide, as in local:N")

        def workers() -> "AbstractContextManager[Executor | None]":
            from zoosmith.execution import ClusterError, cluster_executor

            try:
                return nullcontext() if cluster is None else cluster_executor(cluster, plain=no_tls)
            except ClusterError as error:
                raise ClusterError(f"--cluster {error}") from error

        return function(*args, workers=workers, **named)

    for option in (
        click.option("--no-tls", is_flag=True, help="Let --cluster reach other machines without TLS."),
        click.option(
            "--cluster",
            metavar="ADDRESS|local:N",
            help="Work on a Dask cluster: its scheduler, as in tls://host:8786, or N processes of this machine.",
        ),
    ):
        with_workers = option(with_workers)
    return with_workers


def cache_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--cache` and `--no-cache`, which reach the command as `cache`: the folder of kept ranges, or None."""

    @wraps(function)
    def with_cache(*args: Any, cache: Path | None, no_cache: bool, **named: Any) -> Any:
        from zoosmith.validation.cache_folder import cache_folder

        if cache is not None and no_cache:
            raise click.UsageError("--cache and --no-cache exclude each other")
        return function(*args, cache=None if no_cache else cache or cache_folder("ranges"), **named)

    for option in (
        click.option("--no-cache", is_flag=True, help="Measure ranges anew, and keep none."),
        click.option(
            "--cache",
            metavar="FOLDER",
            type=click.Path(file_okay=False, path_type=Path),
            help="Where measured ranges are kept for the next time.  [default: the user's cache]",
        ),
    ):
        with_cache = option(with_cache)
    return with_cache


def verify_option(function: Function) -> Function:
    """`--verify/--no-verify`."""
    return click.option(
        "--verify/--no-verify",
        default=True,
        show_default=True,
        help="Run both on the same inputs and compare, before anything is written.",
    )(function)


def size_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--dim` and `--input`, which reach the command as one `InputSource` named `inputs`."""

    @wraps(function)
    def with_sizes(
        *args: Any, dims: tuple[tuple[str, int], ...], shapes: "tuple[tuple[str, InputShape], ...]", **named: Any
    ) -> Any:
        from zoosmith.validation.inputs.source import InputSource

        return function(*args, inputs=InputSource(dims=dict(dims), shapes=dict(shapes)), **named)

    return _dim_option(_input_option(with_sizes))


_dim_option = click.option(
    "--dim", "dims", type=Dimension(), multiple=True, help="Size of a symbolic dimension. Repeatable."
)
_input_option = click.option(
    "--input",
    "shapes",
    type=NamedShape(),
    multiple=True,
    help="Shape of an input, as in x=1,3,64,64 or x=int64:N. Repeatable.",
)


def input_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--dim`, `--input`, `--feed` and `--seed`, which reach the command as one `InputSource` named `inputs`."""

    @wraps(function)
    def with_inputs(
        *args: Any,
        dims: tuple[tuple[str, int], ...],
        shapes: "tuple[tuple[str, InputShape], ...]",
        feed: Path | None,
        seed: int,
        **named: Any,
    ) -> Any:
        from zoosmith.validation.inputs.source import InputSource

        return function(*args, inputs=InputSource(seed, dict(dims), dict(shapes), feed), **named)

    for option in (
        seed_option(),
        click.option(
            "--feed", type=PATH, metavar="FILE", help="Inputs from a file: .npz, .npy, a data set's folder, a bundle."
        ),
        _input_option,
        _dim_option,
    ):
        with_inputs = option(with_inputs)
    return with_inputs


def port_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--fix`, `--free` and `--rename`, which reach the command as one `Ports` named `ports`."""

    @wraps(function)
    def with_ports(
        *args: Any,
        fix: tuple[tuple[str, int], ...],
        free: tuple[tuple[str, int, str], ...],
        rename: tuple[tuple[str, str], ...],
        **named: Any,
    ) -> Any:
        from zoosmith.files.opset_conversion import Ports

        return function(*args, ports=Ports(dict(fix), free, dict(rename)), **named)

    for option in (
        click.option("--rename", type=Renaming(), multiple=True, help="New name of an input or output. Repeatable."),
        click.option(
            "--free",
            type=FreedSize(),
            multiple=True,
            help="Make a size of an input symbolic, as in x:0=N. Repeatable.",
        ),
        click.option(
            "--fix",
            type=Dimension(),
            multiple=True,
            help="Make a symbolic size fixed in the file, as in N=1, or x:0=1 where it has no name. Repeatable.",
        ),
    ):
        with_ports = option(with_ports)
    return with_ports


ALL_RUNS = "For all runs together; what takes longer is stopped."
ONE_RUN = "For one run of a model; what takes longer is stopped."
"""Help of `--timeout` where the number of runs is the caller's."""


# seconds
_TIMEOUT = 300


def limit_options(
    rtol: float | None = 1e-3,
    atol: float | None = 1e-5,
    *,
    apart: bool = False,
    timeout_help: str = ALL_RUNS,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--rtol`, `--atol` with these defaults and `--timeout`; they reach the command as one `Limits` named `limits`.

    Where both have no default and none is given, `limits` is None. With `apart`, `timeout` reaches the command as well.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def with_limits(*args: Any, rtol: float | None, atol: float | None, timeout: float, **named: Any) -> Any:
            from zoosmith.validation.verification.proof import Limits

            limits = None if rtol is atol is None else Limits(rtol or 0.0, atol or 0.0, timeout)
            if apart:
                named["timeout"] = timeout
            return function(*args, limits=limits, **named)

        for option in (
            timeout_option(_TIMEOUT, timeout_help),
            _limit("--atol", atol, "Limit in standard deviations of the output."),
            _limit("--rtol", rtol, "Relative limit."),
        ):
            with_limits = option(with_limits)
        return with_limits

    return decorate


def prove_in_option(*, apart: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--prove-in`: runtimes that become part of the command's `limits`; stands below `limit_options`.

    With `apart`, a command without limits gets them as `prove_in`.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def with_runtimes(*args: Any, limits: "Limits | None", prove_in: tuple[str, ...], **named: Any) -> Any:
            from dataclasses import replace

            from zoosmith.validation.runtimes import runtime_for
            from zoosmith.validation.runtimes.environment import installed_python

            for runtime in prove_in:
                installed_python(runtime_for(runtime))
            if limits is not None:
                limits = replace(limits, prove_in=prove_in)
            if apart:
                named["prove_in"] = prove_in
            return function(*args, limits=limits, **named)

        return click.option(
            "--prove-in",
            multiple=True,
            metavar="RUNTIME",
            help="Run the result in this runtime as well, as in onnxruntime==1.6.0, installed by `zoosmith runtime "
            "install`. Repeatable.",
        )(with_runtimes)

    return decorate


def timeout_option(default: float, help: str = ALL_RUNS) -> Callable[[Function], Function]:
    """`--timeout`."""
    return click.option(
        "--timeout",
        type=Number(0, min_open=True),
        default=default,
        show_default=True,
        metavar="SECONDS",
        help=help,
    )


def _limit(name: str, default: float | None, help: str) -> Callable[[Function], Function]:
    return click.option(name, type=Number(0), default=default, show_default=True, help=help)
