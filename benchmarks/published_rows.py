"""Hold rows built of published Caffe2 nets against the sizes of the zoo's files.

python benchmarks/published_rows.py NETS [--only squeezenet1.0,googlenet] [--build]

NETS is a folder with one folder a net: `predict_net.pb` or `.pbtxt`, and `shapes.json` with the shape of each parameter
by blob. Parameters come from a seed: sizes do not depend on values. Without `--build` rows are made and their sizes
compared; with it each family is built by `zoosmith build` as a user does, verified and packed, in a process of its own
whose peak memory is printed. `--rows 3,12` looks at these only.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from zoosmith.convert import read_net
from zoosmith.onnx_model.saving import save_model
from zoosmith.recipes.families import family_recipe, recognised
from zoosmith.recipes.init_nets import InitLayout, init_net_parts
from zoosmith.recipes.published import Family
from zoosmith.recipes.rows import RowMaker


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nets", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--rows", default="")
    parser.add_argument("--build", action="store_true")
    arguments = parser.parse_args()
    wanted = set(filter(None, arguments.only.split(",")))
    rows = set(filter(None, arguments.rows.split(",")))
    print(f"{'row':22} {'ours':>12} {'published':>12}  result")
    matches = others = 0
    for folder, family in families_in(arguments.nets):
        if wanted and family.prefix not in wanted:
            continue
        with tempfile.TemporaryDirectory() as name:
            sizes = (
                built(folder, family, Path(name), rows) if arguments.build else made(folder, family, Path(name), rows)
            )
        for row, size in sizes.items():
            published = family.rows[row]
            other = published.mislabelled_as
            why = f"published under a wrong name: the file of row {other}" if other else ""
            same = size == published.model.size
            matches, others = matches + same, others + (not same)
            result = "match" if same else why or "differs"
            print(f"{family.prefix + '-' + row:22} {size:12,} {published.model.size:12,}  {result}", flush=True)
    print(f"{matches} of {matches + others} published fp32 rows have exactly the published size")


def families_in(nets: Path) -> Iterator[tuple[Path, Family]]:
    """The folders of nets that are published ones, with their families."""
    for folder in sorted(nets.iterdir()):
        family = recognised(read_net(net_file(folder))) if (folder / "shapes.json").exists() else None
        if family is not None:
            yield folder, family


def net_file(folder: Path) -> Path:
    return next(path for path in (folder / "predict_net.pb", folder / "predict_net.pbtxt") if path.exists())


def fp32_rows(family: Family, wanted: set[str]) -> list[str]:
    return [name for name in family.rows if name.isdecimal() and (not wanted or name in wanted)]


def write_weights(folder: Path, path: Path) -> None:
    """Write an init net of seeded parameters, one after the other."""
    stream = np.random.RandomState(0)
    shapes = json.loads((folder / "shapes.json").read_text())

    def values(shape: list[int]) -> np.ndarray:
        reach = np.sqrt(6 / np.prod(shape[1:])) if len(shape) > 1 else 0.1
        return ((stream.random_sample(shape) * 2 - 1) * reach).astype(np.float32)

    with path.open("wb") as file:
        for blob, shape in shapes.items():
            for part in init_net_parts(InitLayout(None), {blob: values(shape)}):
                file.write(part)


def made(folder: Path, family: Family, work: Path, wanted: set[str]) -> dict[str, int]:
    """Make the rows and return their sizes by name."""
    write_weights(folder, work / "init_net.pb")
    recipe = family_recipe(family, read_net(net_file(folder)))
    maker = RowMaker(recipe.open_source(work / "init_net.pb", 0, work), lambda model: [], work)
    sizes = {}
    for name in fp32_rows(family, wanted):
        save_model(recipe.rows[name].make(maker), work / "row.onnx", source=work)
        sizes[name] = (work / "row.onnx").stat().st_size
    return sizes


def built(folder: Path, family: Family, work: Path, wanted: set[str]) -> dict[str, int]:
    """Build the rows as a user does and return their sizes by name; print the peak memory of the build."""
    write_weights(folder, work / "init_net.pb")
    command = [sys.executable, "-m", "zoosmith", "build", "--net", str(net_file(folder)), "--out", str(work / "out")]
    command += ["--weights", str(work / "init_net.pb"), "--rows", ",".join(fp32_rows(family, wanted)), "-q"]
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    report = json.loads((work / "out" / "report.json").read_text())
    largest = max(row["model"]["size"] for row in report["rows"] if row["model"] is not None)
    print(
        f"{family.prefix}: exit code {os.waitstatus_to_exitcode(status)}, peak {usage.ru_maxrss * 1024 / 1e6:,.0f} MB, "
        f"{usage.ru_maxrss * 1024 / largest:.2f} x the largest file",
        flush=True,
    )
    failed = [(row["name"], check["name"]) for row in report["rows"] for check in row["checks"] if not check["passed"]]
    if failed:
        print(f"{family.prefix}: failed checks: {failed}")
    return {row["name"]: row["model"]["size"] for row in report["rows"] if row["model"] is not None}


if __name__ == "__main__":
    main()
