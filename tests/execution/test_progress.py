"""Progress is reported from any thread and shown by a subclass."""

from tests.progress import Recording
from zoosmith.execution import SILENT, ThreadExecutor


def test_a_task_tells_its_beginning_its_steps_and_its_end() -> None:
    progress = Recording()
    with progress.task("calibrating", 3) as task:
        task.advance()
        task.advance("second", steps=2)
    assert progress.told == [
        ("begin", "calibrating", 3),
        ("calibrating", 1, ""),
        ("calibrating", 3, "second"),
        ("end", "calibrating", 3),
    ]


def test_a_task_ends_where_the_work_fails() -> None:
    progress = Recording()
    try:
        with progress.task("calibrating"):
            raise OSError
    except OSError:
        pass
    assert progress.told == [("begin", "calibrating", None), ("end", "calibrating", 0)]


def test_tasks_may_stand_within_each_other() -> None:
    progress = Recording()
    with progress.task("outer", 1) as outer, progress.task("inner", 1) as inner:
        inner.advance()
        outer.advance()
    assert [told[0] for told in progress.told] == ["begin", "begin", "inner", "outer", "end", "end"]


def test_steps_told_by_many_threads_are_all_counted() -> None:
    progress = Recording()
    with progress.task("work", 400) as task, ThreadExecutor(8) as executor:
        list(executor.map(lambda index: task.advance(str(index)), range(400)))
    counts = [told[1] for told in progress.told if told[0] == "work"]
    assert counts == list(range(1, 401))


def test_notes_are_passed_on() -> None:
    progress = Recording()
    progress.note("skipped: a.jpg")
    assert progress.told == [("note", "skipped: a.jpg")]


def test_the_silent_progress_takes_everything(capsys) -> None:
    with SILENT.task("work", 2) as task:
        task.advance()
    SILENT.note("skipped")
    assert capsys.readouterr() == ("", "")
