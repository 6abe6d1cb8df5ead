"""The verbs of the command line: one module a verb, with its arguments, options, help and examples.

Invariant: none of these imports what a verb works with before that verb runs, so that help, completion and
a mistyped line cost no more than reading the line does (`tests/cli/test_start.py`). A function here takes the
command line apart, imports the module of the verb, and calls it.
"""
