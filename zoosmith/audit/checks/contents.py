"""Checks of a file's bytes, whatever they mean."""

from collections.abc import Iterable

from zoosmith.audit.files import AuditedFile
from zoosmith.audit.registry import check


@check("present", "model", "archive", "card", "manifest", of_any_file=True)
def present(file: AuditedFile) -> Iterable[str]:
    """It is there, as a regular file."""
    if not file.is_there:
        yield "not a regular file" if file.path.exists() else "the manifest lists it, and there is no such file"


@check("git lfs", "model", "archive", "card", "manifest", of_any_file=True)
def git_lfs(file: AuditedFile) -> Iterable[str] | None:
    """It is the file itself, not a Git LFS pointer to it."""
    if not file.is_there:
        return None
    pointer = file.pointer
    if pointer is None:
        return []
    found = [f"it is a Git LFS pointer to a file of {pointer.size:,} bytes; `git lfs pull` or another source has that"]
    listed = file.subject.listed
    if listed is not None and listed.sha256 not in (None, pointer.sha256):
        found.append(f"it points to SHA-256 {pointer.sha256}, the manifest says {listed.sha256}")
    return found


@check("size", "model", "archive")
def size(file: AuditedFile) -> Iterable[str] | None:
    """It has the size that the manifest states."""
    listed = file.subject.listed
    if listed is None or listed.size is None:
        return None
    found = file.path.stat().st_size
    return [] if found == listed.size else [f"{found:,} bytes, the manifest says {listed.size:,}"]


@check("sha-256", "model", "archive")
def sha256(file: AuditedFile) -> Iterable[str] | None:
    """It has the SHA-256 that the manifest states."""
    listed = file.subject.listed
    if listed is None or listed.sha256 is None:
        return None
    return [] if file.sha256 == listed.sha256 else [f"{file.sha256}, the manifest says {listed.sha256}"]
