"""Results that write themselves: as JSON of a schema, and as a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from widthwise.errors import DataError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from widthwise.pages import Page

Kind = TypeVar("Kind")
One = TypeVar("One", bound="Report")


def adapter(kind: type[Kind]) -> TypeAdapter[Kind]:
    """The reader and writer of the JSON layout of a result; also the source of its schema."""
    from pydantic import TypeAdapter  # noqa: PLC0415

    return TypeAdapter(kind)


class Report:
    """What the results of this floor share; each is a frozen dataclass with its layout's name as `schema`."""

    schema: str

    def _page(self) -> Page:
        """The result as a page."""
        raise NotImplementedError

    def to_json(self, path: str | Path | None = None) -> str:
        """The result as JSON of its schema, also written to `path` when one is given."""
        from widthwise.pages.files import write_atomically  # noqa: PLC0415

        text = adapter(type(self)).dump_json(self, indent=1).decode() + "\n"
        if path is not None:
            write_atomically(Path(path), text)
        return text

    @classmethod
    def from_json(cls: type[One], text: str | bytes) -> One:
        """Read what `to_json` wrote.

        Raises:
            DataError: if the text is not a result of this schema.
        """
        from pydantic import ValidationError  # noqa: PLC0415

        try:
            return adapter(cls).validate_json(text)
        except ValidationError as failure:
            first = failure.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise DataError(f"the JSON must follow {cls.schema}; at {where or 'the top'}: {first['msg']}") from None

    def to_html(self, path: str | Path | None = None) -> str:
        """The result as one self-contained HTML page, also written to `path` when one is given."""
        from widthwise.pages.files import write_atomically  # noqa: PLC0415
        from widthwise.pages.html import to_html  # noqa: PLC0415

        text = to_html(self._page())
        if path is not None:
            write_atomically(Path(path), text)
        return text

    def _repr_html_(self) -> str:
        from widthwise.pages.html import fragment  # noqa: PLC0415

        return fragment(self._page())
