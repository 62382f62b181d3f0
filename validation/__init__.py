"""Run models and nets, compare what they give, measure."""

from validation.errors import ValidationError

__all__ = ["ValidationError"]
