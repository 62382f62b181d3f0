"""A progress that remembers what it was told, for the tests of whatever tells one."""

from zoosmith.execution import Progress, Task


class Recording(Progress):
    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[object, ...]] = []

    def on_begin(self, task: Task) -> None:
        self.told.append(("begin", task.label, task.total))

    def on_advance(self, task: Task, step: str) -> None:
        self.told.append((task.label, task.done, step))

    def on_end(self, task: Task) -> None:
        self.told.append(("end", task.label, task.done))

    def on_note(self, text: str) -> None:
        self.told.append(("note", text))

    def steps(self, label: str) -> list[object]:
        """How many steps of a task were done, each time that it told."""
        return [told[1] for told in self.told if told[0] == label]
