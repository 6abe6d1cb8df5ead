"""The operator's host: state of releases and the audit log."""
