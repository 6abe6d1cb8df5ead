"""What can be told of a process: also where /proc hides it, as hidepid does with one that dumps no core."""

import os
import signal
import subprocess
import sys

import pytest

from dnsctl.node.proc import STOPPED, UNKNOWN, standing

_LOOK = """
import os, time
from dnsctl.node.proc import standing
from dnsctl.model.prctl import forbid_core_dumps
os.setgid(65534)
os.setuid(65534)
told, tell = os.pipe()
pid = os.fork()
if not pid:
    forbid_core_dumps()
    os.write(tell, b".")
    time.sleep(60)
os.read(told, 1)
print(os.path.exists(f"/proc/{pid}"), standing(pid).state, flush=True)
os.kill(pid, 9)
os.waitpid(pid, 0)
print(standing(pid))
"""


def test_state_is_told_until_the_process_has_ended():
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        os.kill(process.pid, signal.SIGSTOP)
        while (found := standing(process.pid)) is None or found.state != STOPPED:
            pass
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert standing(process.pid) is None  # ended, and not buried yet
    assert standing(process.pid) is None
    assert standing(0) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount /proc anew")
def test_process_that_is_hidden_is_known_to_live():
    mounted = 'mount -t proc -o hidepid=2 proc /proc && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", mounted, "sh", sys.executable, "-c", _LOOK]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"no namespaces here: {done.stderr}")
    assert done.stdout.split("\n")[:2] == [f"False {UNKNOWN}", "None"], done.stderr
