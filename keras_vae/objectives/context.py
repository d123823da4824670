"""What an objective is told besides a pass through the model."""

import dataclasses
from typing import Any

__all__ = ["ObjectiveContext"]


@dataclasses.dataclass(frozen=True)
class ObjectiveContext:
    """When, and on how many examples, a loss is taken.

    Attributes:
        step: Updates so far, a number or an int64 scalar, for schedules.
        num_examples: Images in the training set; None where nobody said.
        training: Whether this is a training step.
    """

    step: Any
    num_examples: int | None = None
    training: bool = False
