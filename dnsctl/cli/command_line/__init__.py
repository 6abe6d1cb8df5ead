"""What verbs share of the command line: arguments, options and their values.

Invariant: imports nothing that verbs work with before one runs, as `verbs` does not.
"""
