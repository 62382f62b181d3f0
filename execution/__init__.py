"""How long work runs, and how it tells of itself: executors, calls in a process of their own, progress."""

from zoosmith.execution.executor import Executor, Job, ProcessExecutor, ThreadExecutor, default_workers, local_executor
from zoosmith.execution.isolation import ProcessDied, call_in_process
from zoosmith.execution.progress import SILENT, Progress, Task

__all__ = [
    "SILENT",
    "Executor",
    "Job",
    "ProcessDied",
    "ProcessExecutor",
    "Progress",
    "Task",
    "ThreadExecutor",
    "call_in_process",
    "default_workers",
    "local_executor",
]
