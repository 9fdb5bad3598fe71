"""The one sentence a person gets when the local stack cannot be had."""


class LocalStackError(Exception):
    """What is missing and what to do, in one sentence; shown without a traceback."""


class NamespacesRefusedError(LocalStackError):
    """The kernel, or what guards it, does not let us make user namespaces."""
