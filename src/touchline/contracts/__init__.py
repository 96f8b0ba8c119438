"""The contracts of tables.

In: a `Contract` (one Pydantic model a table), and frames of text or typed columns. Out: the same frame
split into accepted rows, in the contract's types, and rejected ones, one line per broken rule with the value;
or, the other way round, a contract inferred from a file. Promises: the columnar check accepts a row exactly when
Pydantic would; an annotation it cannot check is refused when the contract is compiled, never ignored; nothing is
dropped without a line that says why.
"""

from touchline._lazy import lazy_names

__getattr__ = lazy_names(__name__)
