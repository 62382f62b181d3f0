"""Types of the fixtures that run the command line."""

from collections.abc import Callable
from typing import Any, TypeAlias

# arguments -> exit code, standard output, standard error
Run: TypeAlias = Callable[..., tuple[int, str, str]]
# arguments of `zoosmith opset` -> the result that it prints as JSON
Answer: TypeAlias = Callable[..., Any]
# arguments of `zoosmith opset` -> the line of its error
Refusal: TypeAlias = Callable[..., str]
