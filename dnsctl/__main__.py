"""The `dnsctl` script, and `python -m dnsctl`: Ctrl-C ends it without a traceback, however early it comes.

While modules are loaded SIGINT has its default action, which ends the process at once; then it is
`KeyboardInterrupt`, which `dnsctl.cli.main.run` answers with one line and its exit code.
"""

import signal
import sys


def main() -> None:
    """Run the command line and exit with its code."""
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # not so below nohup
    if interruptible:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from dnsctl.cli.main import INTERRUPTED, run  # noqa: PLC0415 - this is what takes long

    try:
        if interruptible:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # just before, or just after
        code = INTERRUPTED
    if interruptible:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(code)


if __name__ == "__main__":
    main()
