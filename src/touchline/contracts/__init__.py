"""What a table must look like.

In: a `Contract` (one Pydantic model a table), and frames of text or typed columns. Out: the same frame
split into accepted rows, in the contract's types, and rejected ones, one line per broken rule with the value;
or, the other way round, a contract inferred from a file. Promises: the columnar check accepts a row exactly when
Pydantic would; an annotation it cannot check is refused when the contract is compiled, never ignored; nothing is
dropped without a line that says why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from touchline._lazy import lazy_names

if TYPE_CHECKING:
    from touchline.contracts.compiled import CheckedRows as CheckedRows
    from touchline.contracts.compiled import CompiledContract as CompiledContract
    from touchline.contracts.compiled import compile_contract as compile_contract
    from touchline.contracts.contract import Contract as Contract
    from touchline.contracts.contract import DateFormat as DateFormat
    from touchline.contracts.contract import dataset_check as dataset_check
    from touchline.contracts.contract import row_check as row_check
    from touchline.contracts.infer import Inference as Inference
    from touchline.contracts.infer import InferredField as InferredField
    from touchline.contracts.infer import infer_contract as infer_contract
    from touchline.contracts.leakage import SuspectedLeak as SuspectedLeak
    from touchline.contracts.rejected import REJECTED_SCHEMA as REJECTED_SCHEMA
    from touchline.contracts.rejected import rejected_rows as rejected_rows
    from touchline.contracts.render import contract_imports as contract_imports
    from touchline.contracts.render import render_contract as render_contract

__getattr__ = lazy_names(
    __name__,
    {
        "touchline.contracts.compiled": ["CheckedRows", "CompiledContract", "compile_contract"],
        "touchline.contracts.contract": ["Contract", "DateFormat", "dataset_check", "row_check"],
        "touchline.contracts.infer": ["Inference", "InferredField", "infer_contract"],
        "touchline.contracts.leakage": ["SuspectedLeak"],
        "touchline.contracts.render": ["contract_imports", "render_contract"],
        "touchline.contracts.rejected": ["REJECTED_SCHEMA", "rejected_rows"],
    },
)
