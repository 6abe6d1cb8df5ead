"""The command line: one module a verb, which says what the verb does and what it prints.

`verbs` has the arguments, options and help of each, `command_line` what they share of these; `context` has
what verbs work with, `output` what they print with. Imports point down in this order: `main`, `verbs`, a verb
and `command_line`, `context`, `output`.
"""

INTERRUPTED = 130  # exit code, as shells report SIGINT
