"""Hold what the distributions contain: SOURCE_TREE SDIST WHEEL WHEEL_FROM_CHECKOUT."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path


def wheel_files(path: str) -> dict[str, bytes]:
    """Name -> content; a name that stands twice is an error."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if len(names) != len(set(names)):
            sys.exit(f"{path}: a name stands twice")
        return {name: archive.read(name) for name in names if not name.endswith("/RECORD")}


def tracked(tree: Path) -> set[str]:
    """The files that git knows, without the links."""
    listed = subprocess.run(["git", "ls-files"], cwd=tree, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    return {name for name in listed if name and not (tree / name).is_symlink()}


def packaged(tree: Path, names: set[str]) -> set[str]:
    """Where the modules of the package and its linked rooms stand in a wheel."""
    rooms = {path.name for path in (tree / "zoosmith").iterdir() if path.is_symlink()}
    code = {name for name in names if name.endswith((".py", ".pyi", ".proto", "py.typed"))}
    own = {name for name in code if name.startswith("zoosmith/")}
    return own | {f"zoosmith/{name}" for name in code if name.split("/")[0] in rooms}


def main(tree: Path, sdist: str, wheel: str, wheel_from_checkout: str) -> None:
    """Compare the three distributions with the tree and with each other."""
    names = tracked(tree)
    modules = packaged(tree, names)
    files = wheel_files(wheel)
    metadata = next(name.split("/")[0] for name in files if name.endswith(".dist-info/METADATA"))
    foreign = {name for name in files if name.split("/")[0] not in {"zoosmith", metadata}}
    missing = modules - set(files)
    if foreign or missing:
        sys.exit(f"wheel: not ours {sorted(foreign)}; missing {sorted(missing)}")
    if wheel_files(wheel_from_checkout) != files:
        sys.exit("the wheel built from the sdist differs from the one built from the checkout")
    with tarfile.open(sdist) as archive:
        held = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    rooms = {name.split("/")[1] for name in modules}
    wanted = modules | {name for name in names if name.split("/")[0] not in rooms | {".gitignore", "zoosmith"}}
    if wanted - held:
        sys.exit(f"sdist: missing {sorted(wanted - held)}")
    print(f"wheel: {len(files)} files; sdist: {len(held)} entries; each module once, below zoosmith/")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:5])
