"""`zoosmith bundle`: a model with test data, in the archive that the zoo publishes."""

from pathlib import Path

import click


@click.command()
@click.argument("model", metavar="MODEL.onnx", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, metavar="OUT.tar.gz", type=click.Path(path_type=Path))
@click.option("--sets", type=click.IntRange(1), default=3, show_default=True, help="How many data sets.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Chooses the inputs.")
@click.option("--dim", "dims", multiple=True, metavar="NAME=SIZE", help="Size of a symbolic dimension; others are 1.")
def bundle(model: Path, output: Path, sets: int, seed: int, dims: tuple[str, ...]) -> None:
    """Pack a model with random inputs and the outputs that it gives for them.

    The archive holds model.onnx, test_data_set_N with onnx's .pb files and test_data_N.npz. The same arguments give the
    same bytes. Models that ONNX Runtime cannot run are run with onnx's reference evaluator.

    \b
    Example:
      zoosmith bundle squeezenet.onnx -o squeezenet.tar.gz --dim batch=2
    """
    from zoosmith.bundles import bundle as pack

    pack(model, output, sets=sets, seed=seed, dims=_sizes(dims))
    click.echo(f"{output}: {sets} data set{'s' if sets > 1 else ''}, {output.stat().st_size:,} bytes")


def _sizes(dims: tuple[str, ...]) -> dict[str, int]:
    sizes = {}
    for text in dims:
        name, _, size = text.rpartition("=")
        if not (name and size.isdecimal()):
            raise click.BadParameter(f"{text!r}: expected NAME=SIZE, as in batch=2", param_hint="--dim")
        sizes[name] = int(size)
    return sizes
