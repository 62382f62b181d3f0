"""What an audit found."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    """One check of one file.

    Attributes:
        check: name of the check.
        defects: what is wrong, in words; empty where nothing is.
        unchecked: why it could not be made on this machine; None where it was.
    """

    check: str
    defects: tuple[str, ...] = ()
    unchecked: str | None = None

    @property
    def verdict(self) -> str:
        """`ok`, `defect` or `not checked`."""
        if self.defects:
            return "defect"
        return "ok" if self.unchecked is None else "not checked"


@dataclass(frozen=True)
class FileReport:
    """The checks of one file.

    Attributes:
        file: as it was named or found.
        kind: `model`, `archive`, `card` or `manifest`.
        sha256: of the file; None where it was not read.
        findings: of the checks that apply to it.
    """

    file: str
    kind: str
    sha256: str | None
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether no check found a defect."""
        return not any(finding.defects for finding in self.findings)


@dataclass(frozen=True)
class AuditReport:
    """The checks of all files, in the order of the files."""

    files: tuple[FileReport, ...]

    @property
    def passed(self) -> bool:
        """Whether no file has a defect."""
        return all(file.passed for file in self.files)

    @property
    def checks(self) -> int:
        """How many checks were made."""
        return sum(len(file.findings) for file in self.files)

    @property
    def defects(self) -> list[tuple[str, str, str]]:
        """File, check and what is wrong, of every defect."""
        return [
            (file.file, finding.check, defect)
            for file in self.files
            for finding in file.findings
            for defect in finding.defects
        ]

    @property
    def unchecked(self) -> list[tuple[str, str, str]]:
        """File, check and reason, of every check that could not be made."""
        return [
            (file.file, finding.check, finding.unchecked)
            for file in self.files
            for finding in file.findings
            if finding.unchecked is not None
        ]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "passed": self.passed,
            "defects": len(self.defects),
            "unchecked": len(self.unchecked),
            "checks": self.checks,
            "files": [
                {
                    "file": file.file,
                    "kind": file.kind,
                    "sha256": file.sha256,
                    "checks": [
                        {
                            "check": finding.check,
                            "verdict": finding.verdict,
                            "defects": list(finding.defects),
                            "reason": finding.unchecked,
                        }
                        for finding in file.findings
                    ],
                }
                for file in self.files
            ],
        }
