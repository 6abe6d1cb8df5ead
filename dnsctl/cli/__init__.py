"""The command line: one module a verb, `verbs` for what is typed, `output` for what is printed."""

INTERRUPTED = 130  # exit code, as shells report SIGINT
