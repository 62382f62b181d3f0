"""The options that stand for arguments of Python's interface, where messages of the rooms name these."""

OPTIONS = {
    "dims": "--dim",
    "feed": "--feed",
    "fix_sizes": "--fix",
    "follow_links": "--follow-links",
    "force": "--force",
    "inputs": "--input",
    "outputs": "--output-blob",
    "plain": "--no-tls",
    "shapes": "--input",
    "state": "--state",
    "timeout": "--timeout",
}
