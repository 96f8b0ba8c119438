"""Parts that every HTTP server of touchline shares: problem documents, API keys and roles, correlation ids.

In: requests and errors. Out: RFC 9457 problem documents, callers with their roles, ids for log lines.
"""

from touchline._lazy import lazy_names

__getattr__ = lazy_names(__name__)
