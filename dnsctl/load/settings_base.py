"""What all settings of dnsctl.yaml have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, model_validator


class Settings(BaseModel):
    """Frozen, keys written with hyphens, unknown keys refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=lambda name: name.replace("_", "-"),
        populate_by_name=False,
        defer_build=True,  # of all that dnsctl.yaml consists of, once, for the whole of it
    )

    @model_validator(mode="before")
    @classmethod
    def _left_empty(cls, value: object) -> object:
        """Take a key that is written without a value as not written."""
        if value is None:
            return {}
        if not isinstance(value, dict):
            return value
        known = {field.alias for field in cls.model_fields.values()}
        return {key: each for key, each in value.items() if each is not None or key not in known}
