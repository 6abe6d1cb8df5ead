"""Whether somebody on a list of signers has signed a commit with an SSH key, as `git verify-commit` tells.

The list is one of ssh-keygen(1), "ALLOWED SIGNERS". Signatures of GPG and X.509 count for nothing: whom those
programs trust is not in the repository.
"""

from __future__ import annotations

from pathlib import Path

from dnsctl.load.revision import git

_NO_PROGRAM = ("-c", "gpg.program=false", "-c", "gpg.openpgp.program=false", "-c", "gpg.x509.program=false")
_GOOD = "G"
_FAULTS = {
    "N": "is not signed",
    "B": "has a wrong signature",
    "E": "has a signature that is not of SSH",
}


def judge_signature(root: Path, commit: str, signers: Path) -> str:
    """Return what is wrong with who signed `commit`, after its id; empty where one of `signers` did."""
    told = git(
        root,
        "-c",
        f"gpg.ssh.allowedSignersFile={signers}",
        *_NO_PROGRAM,
        "log",
        "-1",
        "--no-show-signature",
        "--format=%G?%x00%GK",
        commit,
        "--",
        check=False,
    )
    verdict, _, key = told.decode("utf-8", "replace").strip().partition("\0")
    if verdict == _GOOD:
        return ""
    return _FAULTS.get(verdict, f"is signed by {key or 'a key'}, which is not on the list")
