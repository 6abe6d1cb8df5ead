"""Who made a signature, by lists of those who may: of SSH keys, of OpenPGP keys, or of both."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NamedTuple

from dnsctl.load.signatures.openpgp import judge_openpgp
from dnsctl.load.signatures.signed import OPENPGP, SSH, Signed
from dnsctl.load.signatures.signer import Fault, Signer
from dnsctl.load.signatures.ssh import judge_ssh


class SignerLists(NamedTuple):
    """The lists, as octets of their files. None: dnsctl.yaml names no such list."""

    ssh: bytes | None
    openpgp: bytes | None


def judge_signature(signed: Signed, lists: SignerLists) -> Signer | Fault:
    """Return who made the signature. Raises RevisionError where a program is missing."""
    signature = signed.signature.lstrip()
    if not signature:
        return Fault("is not signed")
    with tempfile.TemporaryDirectory(prefix="dnsctl-signers-") as home:
        if signature.startswith(SSH):
            if lists.ssh is None:
                return Fault("is signed with SSH, and commits.allowed-signers names no list")
            return judge_ssh(signed, lists.ssh, Path(home))
        if signature.startswith(OPENPGP):
            if lists.openpgp is None:
                return Fault("is signed with OpenPGP, and commits.openpgp-keys names no keys")
            return judge_openpgp(signed, lists.openpgp, Path(home))
    return Fault("has a signature that is neither of SSH nor of OpenPGP")
