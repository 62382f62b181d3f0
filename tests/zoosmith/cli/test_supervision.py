"""Native code that ends the process leaves one line, exit code 2 and nothing half-written."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="commands are supervised on Linux alone")

# the kernels of ONNX Runtime end the process
ENDS = """
import os, sys, tempfile
tempfile.gettempdir()  # which tries it once by a file
from zoosmith.validation.running import onnx_runtime
def end(*arguments):
    sys.stderr.flush()
    os.write(2, b"free(): invalid pointer")
    os.abort()
onnx_runtime.OnnxRuntimeRunner._run = end
"""
COMMANDS = {
    "opset": "opset conv.onnx -o {out}/new/o.onnx --to 14",
    "convert": "convert plain.pb -o {out}/new/c.onnx --input x=2,3",
    "simplify": "simplify normalized.onnx -o {out}/new/s.onnx",
    "quantize": "quantize conv.onnx -o {out}/new/q.onnx --calibrate random --samples 2 --force",
    "evaluate": "evaluate conv.onnx --data images --preprocess none",
    "bundle": "bundle conv.onnx -o {out}/new/b.tar.gz --dim N=1",
    "bench": "bench conv.onnx --runs 3",
    "build": "build --net predict.pb --weights init.pb --input x=2,3 --rows 9 --sets 1 --out {out}/new",
}


def started(code: str, words: str, folder: Path, temporary: Path) -> subprocess.Popen[str]:
    begin = textwrap.dedent(code) + "\nfrom zoosmith.cli import main\nmain()"
    return subprocess.Popen(
        [sys.executable, "-c", begin, *words.split()],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(Path(__file__).parents[3])},
    )


def ended(code: str, words: str, folder: Path, temporary: Path) -> tuple[int, str, str]:
    with started(code, words, folder, temporary) as process:
        out, err = process.communicate(timeout=120)
    return process.returncode, out, err


@pytest.mark.parametrize("command", COMMANDS)
def test_the_end_of_the_process_in_native_code_is_one_line(command: str, sound: Path, tmp_path: Path) -> None:
    out, temporary = tmp_path / "out", tmp_path / "temporary"
    out.mkdir()
    temporary.mkdir()
    code, printed, err = ended(ENDS, COMMANDS[command].format(out=out) + " -q", sound, temporary)
    assert (code, printed) == (2, "")
    assert err.startswith("error: ONNX Runtime ") and err.count("\n") == 1
    assert " ended the process (signal 6, SIGABRT) while " in err and "running " in err
    assert err.endswith("; --verbose shows what it printed\n")
    assert [*out.rglob("*"), *temporary.iterdir()] == []


def test_verbose_shows_what_native_code_printed_and_where_it_was_called(sound: Path, tmp_path: Path) -> None:
    code, _, err = ended(ENDS, "bench conv.onnx --runs 3 -q --verbose", sound, tmp_path)
    assert code == 2
    assert err.startswith("free(): invalid pointerFatal Python error: Aborted")
    assert "onnx_runtime.py" in err
    assert err.splitlines()[-1].endswith("while running conv.onnx")


def test_a_model_on_which_onnx_runtime_ends_the_process_is_refused(tmp_path: Path) -> None:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Unique", ["x"], ["y"], axis=0)],
        "g",
        [value("x", TensorProto.FLOAT, [2, 0])],
        [value("y", TensorProto.FLOAT, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=7)
    onnx.save(model, tmp_path / "unique.onnx")
    code, _, err = ended("", "opset unique.onnx -o o.onnx --to 13 -q", tmp_path, tmp_path)
    # releases of ONNX Runtime that do not end here convert it
    assert (code, err) == (0, "") or (code == 2 and err.count("\n") == 1 and "running " in err)
    assert (tmp_path / "o.onnx").exists() == (code == 0)


def test_what_native_code_prints_is_shown_when_the_command_is_done(sound: Path, tmp_path: Path) -> None:
    code = """
        import os
        from zoosmith.cli import inspect
        from zoosmith import onnx_model
        command = inspect.inspect.callback
        inspect.inspect.callback = lambda *a, **n: (os.write(2, b"a note of a library\\n"), command(*a, **n))[1]
    """
    assert ended(code, "inspect conv.onnx -q", sound, tmp_path) == (0, "", "a note of a library\n")


def test_a_process_that_runs_out_of_memory_is_named_as_killed(sound: Path, tmp_path: Path) -> None:
    code = ENDS.replace("os.abort()", "os.kill(os.getpid(), 9)")
    done, _, err = ended(code, "bench conv.onnx --runs 3 -q", sound, tmp_path)
    assert done == 2
    assert err == (
        "error: the process was killed (signal 9, SIGKILL) while running conv.onnx; "
        "the system does so where memory runs out\n"
    )


# what runs a model says so, and goes on
WAITS = """
import os, signal, time
from zoosmith.validation.running import onnx_runtime
# below nohup it is ignored, which is passed on
signal.signal(signal.SIGHUP, signal.SIG_DFL)
def wait(*arguments):
    os.write(1, b"#")
    time.sleep({seconds})
onnx_runtime.OnnxRuntimeRunner._run = wait
"""


@pytest.mark.parametrize(
    "number, seconds, code, line",
    [
        # an interrupt waits for the operator that runs; the others do not
        (signal.SIGINT, 1, 130, "interrupted\n"),
        (signal.SIGTERM, 300, -signal.SIGTERM, ""),
        (signal.SIGHUP, 300, -signal.SIGHUP, ""),
        (signal.SIGKILL, 300, -signal.SIGKILL, ""),
    ],
)
def test_a_signal_to_the_command_ends_all_of_it(
    number: signal.Signals, seconds: int, code: int, line: str, sound: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with started(
        WAITS.format(seconds=seconds), f"opset conv.onnx -o {out}/o.onnx --to 14 -q", sound, tmp_path
    ) as process:
        assert process.stdout is not None and process.stdout.read(1) == "#"
        process.send_signal(number)
        # standard output is closed when the last process is gone
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (code, line)
    assert number == signal.SIGKILL or not out.exists()
