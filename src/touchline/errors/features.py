"""Feature views, their history and the online stores."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from touchline.errors.base import TouchlineError, UsageError, nearest

__all__ = [
    "CorruptedFeatures",
    "EntityKeyMissing",
    "EntityNotFound",
    "FeatureNotANumber",
    "FeatureNotFound",
    "FeatureTypeMoved",
    "FeaturesExpired",
    "HistoryMoved",
    "InvalidEntityKey",
    "InvalidEntityRows",
    "InvalidPush",
    "InvalidView",
    "LooksAhead",
    "OnlineStoreEmptied",
    "OnlineStoreError",
    "OnlineStoreUnavailable",
    "OnlineValuesAhead",
    "SourceFormatNotRead",
    "ViewNotFound",
]


class FeatureNotFound(UsageError):
    def __init__(self, name: str, allowed: Collection[str]) -> None:
        self.name = name
        super().__init__(f"Feature {name!r} is not declared in any feature view. {nearest(name, allowed)}")


class ViewNotFound(UsageError):
    def __init__(self, name: str, allowed: Collection[str]) -> None:
        self.name = name
        super().__init__(f"Feature view {name!r} is not declared. {nearest(name, allowed)}")


class EntityNotFound(UsageError):
    def __init__(self, name: str, allowed: Collection[str]) -> None:
        self.name = name
        super().__init__(f"Entity {name!r} is not declared. {nearest(name, allowed)}")


class InvalidView(UsageError):
    """A feature view (or examples, or an on-demand transform) that cannot be right as declared."""

    def __init__(self, view: str, actual: str, next_step: str) -> None:
        self.view = view
        super().__init__(f"View {view!r} {actual}. {next_step}")


class LooksAhead(InvalidView):
    """A view whose values at an instant change when later rows are taken away."""

    def __init__(self, view: str, feature: str, instant: str, facts: str) -> None:
        self.feature, self.instant = feature, instant
        super().__init__(
            view,
            f"looks into the future: its feature {feature!r} at {instant} {facts}",
            "Compute each row from rows with the same or an earlier event_timestamp only.",
        )


class InvalidEntityKey(UsageError):
    def __init__(self, view: str, key: str, actual: object, allowed: str) -> None:
        self.view, self.key = view, key
        super().__init__(
            f"View {view!r}: entity key {key!r} is {actual!r} ({type(actual).__name__}); it must be {allowed}."
        )


class EntityKeyMissing(UsageError):
    def __init__(self, view: str, missing: Sequence[str]) -> None:
        self.view, self.missing = view, tuple(missing)
        expected = " ".join(f"{name}=VALUE" for name in missing)
        super().__init__(
            f"View {view!r} looks an entity up by {', '.join(missing)}, which is not given. Add: {expected}"
        )


class FeatureNotANumber(UsageError):
    def __init__(self, column: str, actual: object) -> None:
        self.column = column
        super().__init__(f"Column {column!r} is {actual!r} ({type(actual).__name__}); it must be a number or null.")


class InvalidEntityRows(UsageError):
    """Entity rows of a historical request that no join can be made with."""

    def __init__(self, actual: str) -> None:
        super().__init__(
            f"The entity rows {actual}. Give pandas, Polars, Arrow, a Parquet path or SQL, with the join keys and "
            "one column of instants (or one named event_timestamp)."
        )


class SourceFormatNotRead(UsageError):
    def __init__(self, where: str, actual: str) -> None:
        super().__init__(f"The source {where} is in {actual}; this offline store reads Parquet. Convert it to Parquet.")


class HistoryMoved(TouchlineError):
    """A stored feature history that no longer has the columns its view declares."""

    def __init__(self, view: str, where: str, actual: str, allowed: str) -> None:
        self.view = view
        super().__init__(
            f"The history of view {view!r} in {where} has {actual}, the declaration {allowed}. "
            "Compute the view again: touchline features compute."
        )


class InvalidPush(UsageError):
    """A pushed row that the view cannot take; nothing of the push was kept."""

    def __init__(self, view: str, row: int, column: str, actual: object, allowed: str) -> None:
        self.view, self.row, self.column = view, row, column
        super().__init__(
            f"View {view!r} takes nothing of this push: row {row} has {column!r} = {actual!r}; it must be {allowed}."
        )

    @classmethod
    def unknown(cls, view: str, row: int, column: str, allowed: Collection[str]) -> InvalidPush:
        return cls(view, row, column, "a value", f"a column of the view. {nearest(column, allowed)}".rstrip("."))


class FeatureTypeMoved(UsageError):
    def __init__(self, view: str, feature: str, actual: str, allowed: str) -> None:
        self.view, self.feature = view, feature
        super().__init__(
            f"View {view!r}: feature {feature!r} came as {actual}, the view declares {allowed}. "
            "Change the declaration or the source, and apply the view again."
        )


class OnlineStoreError(TouchlineError):
    """Base of what can go wrong between a request and its online features."""


class CorruptedFeatures(OnlineStoreError):
    """A packed value whose checksum or layout does not fit. It is never served."""

    def __init__(self, view: str, key: str, actual: str, allowed: str) -> None:
        self.view = view
        super().__init__(
            f"The packed features of {view} for {key!r} are damaged: {actual}, expected {allowed}. "
            "Invalidate and materialize the view again."
        )


class OnlineStoreUnavailable(OnlineStoreError):
    def __init__(self, store: str, reason: str, waited_seconds: float) -> None:
        self.store = store
        what = f"did not answer within {waited_seconds:g} s" if waited_seconds else "cannot be read"
        super().__init__(
            f"Online store {store} {what}: {reason}. Check that it runs and that its address and password are right; "
            "touchline doctor looks for damage."
        )


class OnlineStoreEmptied(OnlineStoreError):
    """The store responds but was never filled for a view, or was emptied since: no entity is unknown, all are."""

    def __init__(self, view: str, feature_version: str, project: str) -> None:
        self.view, self.feature_version = view, feature_version
        super().__init__(
            f"The online store holds nothing of view {view!r} (version {feature_version}), not even when it was "
            f"filled: it was emptied, or another store answers. Fill it: touchline ingest -p {project}; look at the "
            "address of the store: touchline doctor."
        )


class OnlineValuesAhead(OnlineStoreError):
    """The online values of a view come from an ingest that the database does not know."""

    def __init__(self, view: str) -> None:
        self.view = view
        super().__init__(
            f"The online values of view {view!r} come from a later ingest than the newest one in the database, so the "
            "database has lost its newest rows. Restore it from a backup, or ingest again: touchline ingest."
        )


class FeaturesExpired(OnlineStoreError):
    """A value older than its TTL under the policy `fail`."""

    def __init__(self, view: str, key: str, actual: str, allowed: str) -> None:
        self.view = view
        super().__init__(
            f"The features of {view} for {key!r} are {actual}; the view allows {allowed}. "
            "Materialize the view, or declare another fall-back."
        )
