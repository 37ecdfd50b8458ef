"""Words of a closed vocabulary, looked up for every failure."""

from enum import StrEnum


class Word(StrEnum):
    """A ``StrEnum`` that hashes as the text it equals: in C, as ``Enum`` does not."""

    __hash__ = str.__hash__
