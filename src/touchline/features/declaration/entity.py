"""`Entity`: who a feature describes, and the columns that identify one."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Entity(BaseModel):
    """The kind of thing that a feature describes, and the columns that identify one.

    >>> Entity(name="team", plural="teams", join_keys=["team"]).join_keys
    ('team',)
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    plural: str = ""
    join_keys: tuple[str, ...] = Field(min_length=1)
    description: str = ""

    @model_validator(mode="before")
    @classmethod
    def _plural_by_default(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("name") and not values.get("plural"):
            values = {**values, "plural": f"{values['name']}s"}
        if isinstance(values, dict) and isinstance(values.get("join_keys"), str):
            values = {**values, "join_keys": (values["join_keys"],)}
        return values

    def to_feast(self) -> Any:
        """The Feast entities of the join keys: Feast 0.67 allows one join key an entity."""
        from touchline.features.feast.objects import feast_entities

        return feast_entities(self)
