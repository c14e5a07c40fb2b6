"""What an installation sets for fire."""

from pydantic import SecretStr

from services.fire.site import Frozen


class FireOptions(Frozen):
    """A task asks its context for them."""

    firms_key: SecretStr = SecretStr("")
    """NASA gives one to everybody who asks."""
