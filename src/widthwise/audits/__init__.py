"""A labelled data set in, an `AuditResult` out."""

from widthwise.audits.result import AuditResult

__all__ = ["AuditResult"]
