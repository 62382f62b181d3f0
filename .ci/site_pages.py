"""Generated pages of the site: commands, the Python interface, Caffe2's operators. A hook of mkdocs."""

import ast
import html
import inspect
import re
from pathlib import Path

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from zoosmith.cli.application import cli
from zoosmith.convert.docs_table import table

ROOT = Path(__file__).resolve().parents[1]
PYTHON_PAGES = {"zoosmith": ROOT / "zoosmith" / "__init__.pyi"} | {
    f"zoosmith.{stub.parent.name}": stub for stub in sorted((ROOT / "zoosmith").glob("*/__init__.pyi"))
}

_SPECIAL = re.compile(r"[\\|\[\]*_]")
_OPTION = re.compile(r"(?<![\w-])(--?[a-z][a-z-]*)(?![\w=])")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages, and their lines in the navigation.

    Args:
        files: those of the site.
        config: the navigation in it names the sections that are filled here: `commands.md` and `python.md`.

    Returns:
        The same files, with the generated ones.
    """
    context = cli.make_context("zoosmith", [], resilient_parsing=True)
    commands = {name: command_page(context, name) for name in cli.list_commands(context)}
    pages = {f"commands/{name}.md": text for name, text in commands.items()}
    pages |= {f"python/{module}.md": python_page(module, stub) for module, stub in PYTHON_PAGES.items()}
    pages["caffe2-operators.md"] = table()
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    named = str(config.nav)
    written = [page.src_uri for page in files.documentation_pages() if page.src_uri not in pages]
    _fill(config.nav or [], "How to", [path for path in written if path not in named])
    _fill(config.nav or [], "Commands", [{name: f"commands/{name}.md"} for name in commands])
    _fill(config.nav or [], "Python", [{module: f"python/{module}.md"} for module in PYTHON_PAGES])
    return files


def _fill(nav: list, title: str, lines: list) -> None:
    for entry in nav:
        for found, value in entry.items():
            if found == title:
                value.extend(lines)
            elif isinstance(value, list):
                _fill([part for part in value if isinstance(part, dict)], title, lines)


def command_page(parent: click.Context, name: str, level: int = 1) -> str:
    """The help of a command, and of the commands below it, as Markdown.

    Args:
        parent: context of the command above it.
        name: of the command.
        level: of its heading.

    Returns:
        The text of the page, or of its part.
    """
    assert isinstance(parent.command, click.Group)
    command = parent.command.get_command(parent, name)
    assert command is not None
    context = command.make_context(name, [], parent, resilient_parsing=True)
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    parts = [f"{'#' * level} {context.command_path}", f"```text\n{usage}\n```", _description(command)]
    records = [parameter.get_help_record(context) for parameter in command.get_params(context)]
    rows = [f"| `{names}` | {_cell(text)} |" for names, text in filter(None, records) if text]
    parts.append("\n".join(["| option | what it does |", "|---|---|", *rows]))
    if isinstance(command, click.Group):
        parts += [command_page(context, below, level + 1) for below in command.list_commands(context)]
    return "\n\n".join(parts) + "\n"


def _description(command: click.Command) -> str:
    """The text of a command's help; what click must not wrap, its examples, becomes code."""
    parts = []
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        head, wrapped, lines = paragraph.partition("\b\n")
        if not wrapped:
            parts.append(_cell(head))
            continue
        title, *code = lines.splitlines()
        parts.append(f"{title}\n\n```shell\n{inspect.cleandoc(chr(10).join(['', *code]))}\n```")
    return "\n\n".join(parts)


def _cell(text: str) -> str:
    """Plain text in a table or a paragraph of Markdown; options in it become code, as what stands in backticks is."""
    plain = " ".join(text.split()).split("`")
    plain[::2] = [_OPTION.sub(r"`\1`", html.escape(_SPECIAL.sub(r"\\\g<0>", part), quote=False)) for part in plain[::2]]
    plain[1::2] = [f"`{part}`" for part in plain[1::2]]
    return "".join(plain)


def python_page(module: str, stub: Path) -> str:
    """The public names of a module as its stub publishes them, each from its docstring.

    Args:
        module: as it is imported.
        stub: its `__init__.pyi`.

    Returns:
        The text of the page, which mkdocstrings fills.
    """
    described, elsewhere = [], []
    for statement in ast.parse(stub.read_text(encoding="utf-8")).body:
        if not isinstance(statement, ast.ImportFrom):
            continue
        for name in statement.names:
            full = f"{module}.{statement.module}.{name.name}"
            if statement.module is None:
                elsewhere.append(f"- [`{module}.{name.name}`]({module}.{name.name}.md)")
            elif f"{module}.{statement.module.partition('.')[0]}" in PYTHON_PAGES:
                elsewhere.append(f"- [`{module}.{name.name}`][{full}]")
            else:
                described.append(f"::: {full}")
    return "\n\n".join(filter(None, [f"# {module}", "\n".join(elsewhere), *described])) + "\n"
