from .auditing import audit as audit
from .report import AuditReport as AuditReport
from .report import FileReport as FileReport
from .report import Finding as Finding
