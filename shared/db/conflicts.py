"""The one conflict a person causes: making something a second time."""

from shared.domain.errors import ConflictError


class AlreadyExists(ConflictError):
    """Something with this name or id is there already."""

    code = "already_exists"
    default_hint = "Read the one that exists and change it, or choose another name."
