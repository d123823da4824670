"""Whole numbers as people and files write them."""

__all__ = ["parse_whole"]

# Of the largest of 64 bits. Python reads no number of thousands of digits.
_MAX_DIGITS = 19


def parse_whole(text: str) -> int | None:
    """Returns the number that is written with the digits 0 to 9.

    Args:
        text: Anything.

    Returns:
        The number; None if there is a sign, a space, a digit of another
        script or the like, or more digits than a number of 64 bits has.

    Example:
        >>> parse_whole("28")
        28
    """
    is_number = text.isascii() and text.isdecimal()
    return int(text) if is_number and len(text) <= _MAX_DIGITS else None
