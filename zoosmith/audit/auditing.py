"""The audit: every check on every file, side by side, and then what only all files together tell."""

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from zoosmith.audit.discovery import find_subjects
from zoosmith.audit.files import AuditedFile, NotCheckedError, Subject, UnreadableError, opened
from zoosmith.audit.names import UNCLAIMED, opset_in, published_name
from zoosmith.audit.registry import CHECKS, Check
from zoosmith.audit.report import AuditReport, FileReport, Finding
from zoosmith.execution import (
    SILENT,
    Executor,
    ProcessDiedError,
    Progress,
    call_in_process,
    default_workers,
    local_executor,
)
from zoosmith.onnx_model.errors import ZoosmithError, first_line
from zoosmith.onnx_model.links import as_path
from zoosmith.validation.verification.proof import Limits

# each process may have a model in memory
_MOST_WORKERS = 4
# name of the check of a file that ended the process which read it
_SURVIVED = "survived"
_SAME_BYTES = "same bytes"


def audit(
    paths: Iterable[str | os.PathLike[str]],
    *,
    limits: Limits | None = None,
    jobs: int | None = None,
    executor: Executor | None = None,
    progress: Progress = SILENT,
) -> AuditReport:
    """Check files of a zoo against their names, their manifest, their cards, each other, and what they compute.

    Nothing is asked of who made them. A file that is damaged, or that ends the process which reads it, is a defect, and
    the others are audited all the same.

    Args:
        paths: folders (all below them, and all that their manifest lists), manifests (what they say by themselves), and
            files; data of models is read over links where a path is a `LinkedPath`.
        limits: what is accepted where outputs of test data are computed again.
        jobs: how many files at a time; None for one a core, but no more than 4.
        executor: where files are audited; None for processes of this machine.
        progress: told of every file.

    Returns:
        The checks of every file.

    Raises:
        ZoosmithError: a path is not there, or there is nothing to audit.
    """
    subjects = find_subjects(map(as_path, paths))
    limits = limits or Limits(timeout=300)
    with ExitStack() as exits:
        if executor is None:
            workers = max(1, min(jobs or default_workers(_MOST_WORKERS), len(subjects)))
            executor = exits.enter_context(local_executor(workers, processes=True))
        task = exits.enter_context(progress.task("auditing", len(subjects)))
        waiting = [executor.submit(audit_file, subject, limits) for subject in subjects]
        reports = []
        for subject, job in zip(subjects, waiting, strict=True):
            try:
                reports.append(job.result())
            except BrokenExecutor:  # one of the files ended a process: each of the rest gets one of its own
                reports.append(_audit_apart(subject, limits))
            task.advance(os.fspath(subject.path))
    return AuditReport(tuple(_with_same_bytes(reports)))


def audit_file(subject: Subject, limits: Limits) -> FileReport:
    """Make every check that applies to one file.

    Args:
        subject: the file.
        limits: for outputs that are computed again.
    """
    with opened(subject, limits) as file:
        made = [_finding(name, check, file) for name, check in CHECKS.entries().items()]
        read = file.is_there and subject.kind in ("model", "archive")
        findings = tuple(finding for finding in made if finding is not None)
        return FileReport(os.fspath(subject.path), subject.kind, file.sha256 if read else None, findings)


def _finding(name: str, check: Check, file: AuditedFile) -> Finding | None:
    """What a check finds; None where it does not apply."""
    if file.subject.kind not in check.kinds:
        return None
    try:
        if not check.of_any_file and (not file.is_there or file.pointer is not None):
            return None
        if check.of_lone_archives and file.subject.kind == "archive" and file.loose_model is not None:
            return None
        found = check.judge(file)
        return None if found is None else Finding(name, tuple(found))
    except UnreadableError:
        return None
    except NotCheckedError as error:
        return Finding(name, unchecked=str(error))
    except (ZoosmithError, OSError) as error:
        return Finding(name, (first_line(error),))
    except Exception as error:  # a library's own: the audit goes on
        return Finding(name, (f"cannot be checked: {type(error).__name__}: {first_line(error)}",))


def _audit_apart(subject: Subject, limits: Limits) -> FileReport:
    """Audit a file in a process of its own, which it may end."""
    try:
        return call_in_process(audit_file, None, subject, limits)
    except ProcessDiedError as error:
        finding = Finding(_SURVIVED, (f"the process that audited it died: {error}",))
        return FileReport(os.fspath(subject.path), subject.kind, None, (finding,))


def _with_same_bytes(reports: Sequence[FileReport]) -> Iterable[FileReport]:
    """Add the check of identical files under several names; the one of the highest opset in its name is right."""
    groups: dict[str, list[str]] = defaultdict(list)
    for report in reports:
        if report.sha256 is not None and Path(report.file).name != UNCLAIMED:
            groups[report.sha256].append(report.file)
    for report in reports:
        name = Path(report.file).name
        if report.sha256 is None or name == UNCLAIMED:
            yield report
            continue
        same = {Path(file).name for file in groups[report.sha256]} - {name}
        right = max({name, *same}, key=lambda each: (opset_in(each) or 0, each))
        published = published_name(name, report.sha256)
        defects: tuple[str, ...] = ()
        if published is not None:
            defects = (f"it is the published {published} under another name",)
        elif right != name:
            defects = (f"it is {right} under another name: the same bytes",)
        yield replace(report, findings=(*report.findings, Finding(_SAME_BYTES, defects)))
