"""All the keys a local stack makes for itself, as texts for its settings."""

from dataclasses import dataclass, field

from cryptography.fernet import Fernet

from shared.security.sealing import new_sealing_pair


@dataclass(frozen=True, slots=True)
class StackKeys:
    """One set; who holds which is in DESIGN 2."""

    access_token_key: str = field(repr=False)
    refresh_token_key: str = field(repr=False)
    sealing_public_key: str
    sealing_private_key: str = field(repr=False)


def new_fernet_key() -> str:
    """A fresh key for a `TokenVault`."""
    return Fernet.generate_key().decode("ascii")


def new_stack_keys() -> StackKeys:
    """A fresh set."""
    pair = new_sealing_pair()
    return StackKeys(
        access_token_key=new_fernet_key(),
        refresh_token_key=new_fernet_key(),
        sealing_public_key=pair.public,
        sealing_private_key=pair.private,
    )
