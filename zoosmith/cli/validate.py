"""`zoosmith validate`: run the test data of an archive."""

import json
import sys
from pathlib import Path

import click


@click.command()
@click.argument("bundle", metavar="BUNDLE", type=click.Path(path_type=Path))
@click.option("--rtol", type=click.FloatRange(0), default=1e-3, show_default=True, help="Relative limit.")
@click.option("--atol", type=click.FloatRange(0), default=1e-5, show_default=True, help="Limit in standard deviations.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of lines.")
def validate(bundle: Path, rtol: float, atol: float, as_json: bool) -> None:
    """Run a bundle's model on its data sets and compare; exit 1 where an output differs.

    BUNDLE is a .tar.gz or .tar with one model and its test_data_set_N (or test_data_N.npz), or the unpacked folder. An
    archive with members that climb out of their folder, with links, or that unpacks to far more than its size, is
    refused.

    \b
    Example:
      zoosmith validate densenet-9.tar.gz
    """
    from zoosmith.bundles import validate as run

    comparisons = run(bundle, rtol=rtol, atol=atol)
    passed = all(comparison.passed for comparison in comparisons.values())
    if as_json:
        sets = {name: comparison.as_dict() for name, comparison in comparisons.items()}
        click.echo(
            json.dumps({"bundle": str(bundle), "passed": passed, "rtol": rtol, "atol": atol, "sets": sets}, indent=2)
        )
    else:
        for name, comparison in comparisons.items():
            click.echo(f"{name}: {comparison}")
    if not passed:
        sys.exit(1)
