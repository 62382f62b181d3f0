"""`zoosmith validate`: run the test data of an archive."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoosmith.cli.command import Command
from zoosmith.cli.option_types import PATH
from zoosmith.cli.options import follow_links_option, html_option, limit_options, providers_option
from zoosmith.cli.terminal import Terminal

if TYPE_CHECKING:
    from zoosmith.validation.verification.proof import Limits


@click.command(cls=Command)
@click.argument("bundle", metavar="BUNDLE", type=PATH)
@limit_options()
@providers_option
@follow_links_option("bundle")
@html_option
def validate(terminal: Terminal, bundle: Path, limits: "Limits", providers: list[str] | None) -> int:
    """Run a bundle's model on its data sets and compare.

    Exit 1 where an output differs. BUNDLE is a .tar.gz or .tar with one model and its test_data_set_N (or
    test_data_N.npz), or the unpacked folder. An archive with members that climb out of their folder, with links, or
    that unpacks to far more than its size, is refused.

    \b
    Example:
      zoosmith validate densenet-9.tar.gz
    """
    from zoosmith.archives.bundles import validate as run

    comparisons = run(bundle, limits=limits, providers=providers, progress=terminal.progress())
    passed = all(comparison.passed for comparison in comparisons.values())
    terminal.result(
        {
            "bundle": str(bundle),
            "passed": passed,
            "rtol": limits.rtol,
            "atol": limits.atol,
            "sets": {name: comparison.as_dict() for name, comparison in comparisons.items()},
        },
        *(f"{name}: {comparison}" for name, comparison in comparisons.items()),
    )
    return 0 if passed else 1
