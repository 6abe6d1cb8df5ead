"""A TSIG key (RFC 8945) in dnsctl.yaml: its algorithm, and where its secret stands."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Literal

from dnsctl.errors import ConfigError, PassphraseError
from dnsctl.load.secret import SharedSecretError, resolve
from dnsctl.load.settings.values import SecretReference, Settings
from dnsctl.model.repo import TSIG

MIN_TSIG_SECRET = 16  # octets: RFC 8945 §8 wants as much as the digest; less than this is a typo


class TsigKeyConfig(Settings):
    """A TSIG key. `secret`: where its base64 text stands; keys/tsig/NAME where that is not said."""

    algorithm: Literal["hmac-sha256", "hmac-sha384", "hmac-sha512"] = "hmac-sha256"
    secret: SecretReference | None = None

    def octets(self, name: str, root: Path) -> bytes:
        """Return the secret of key `name`. Raises ConfigError where there is none, or it is not base64."""
        reference = self.secret or f"file:{TSIG}/{name.removesuffix('.')}"
        if len(base := _decoded(reference, root)) < MIN_TSIG_SECRET:
            raise ConfigError(
                f"the secret of TSIG key {name} has {len(base)} octets",
                where=reference,
                advice=f"use {MIN_TSIG_SECRET} or more: `tsig-keygen`, or `openssl rand -base64 32`",
            )
        return base


_GIVEN = "`secret` of the TSIG key"


def _decoded(reference: str, root: Path) -> bytes:
    """Return the octets behind a base64 secret. Raises ConfigError, which never holds it."""
    try:
        return base64.b64decode(resolve(reference, root, group=True, given=_GIVEN).strip(), validate=True)
    except SharedSecretError as error:
        raise ConfigError(error.what, where=reference, advice=error.advice) from None
    except PassphraseError as error:
        raise ConfigError(
            "the secret of a TSIG key cannot be read",
            where=reference,
            advice="put its base64 text there, mode 0600 or 0640, on every node",
        ) from error
    except ValueError:
        raise ConfigError("is not base64", where=reference, advice="see `tsig-keygen`") from None
