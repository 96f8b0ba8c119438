"""The pagination schemes of HTTP sources: each finds the next page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from pydantic import BaseModel, ConfigDict, Field

from touchline.ingest.providers.http_json import at_path

if TYPE_CHECKING:
    from touchline.ingest.providers.http_client import Answer

_LINK = re.compile(r'<([^>]+)>\s*;[^,]*\brel="?next"?')


class PageNumbers(BaseModel):
    """Pages by number; the first page with fewer than `size` rows (without a size: with none) is the last."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    param: str = "page"
    first: int = 1
    size_param: str | None = None
    size: int | None = Field(None, gt=0)

    @property
    def least_rows(self) -> int:
        """A page with fewer is the last."""
        return self.size or 1

    def params(self, number: int) -> dict[str, str]:
        """The parameters of the page that many after the first."""
        params = {self.param: str(self.first + number)}
        if self.size_param is not None and self.size is not None:
            params[self.size_param] = str(self.size)
        return params


class NextLink(BaseModel):
    """The answer names the next page: at a path of its JSON, or in the header `Link: <…>; rel="next"`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str | None = None

    def following(self, answer: Answer, body: Any) -> str | None:
        """The next page's address; None after the last."""
        if self.path is None:
            found = _LINK.search(answer.link)
            link = found.group(1) if found else None
        else:
            link = at_path(body, self.path)
        return urljoin(answer.url, str(link)) if link else None


class Cursor(BaseModel):
    """The answer gives a token for the next page at a path of its JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    param: str = "cursor"
    path: str = "next_cursor"

    def token(self, body: Any) -> str | None:
        """The token; None after the last page."""
        found = at_path(body, self.path)
        return None if found in (None, "", False) else str(found)
