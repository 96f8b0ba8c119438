"""What all tables share: their metadata, and columns of numbers."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, MetaData

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


def number(name: str, *, key: bool = False, null: bool = False) -> Column[int]:
    """A whole number of 64 bits."""
    return Column(name, BigInteger, primary_key=key, autoincrement=False, nullable=null)


def real(name: str, *, null: bool = False) -> Column[float]:
    """A floating-point number."""
    return Column(name, Double, nullable=null)
