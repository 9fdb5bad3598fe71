"""The one sentence a person gets when the local stack cannot be had."""


class LocalStackError(Exception):
    """What is missing and what to do, in one sentence; shown without a traceback."""
