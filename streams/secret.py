"""Names that secrets go by, and a value that does not show itself."""

import re
from typing import NoReturn

__all__ = ["Secret", "is_secret_name"]

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SECRET_WORDS = frozenset(
    (
        "apikey",
        "auth",
        "authorization",
        "credential",
        "credentials",
        "jaas",
        "key",
        "keytab",
        "pass",
        "passphrase",
        "passwd",
        "password",
        "pwd",
        "secret",
        "secrets",
        "token",
        "tokens",
    )
)


def is_secret_name(name: str) -> bool:
    """Whether a setting or field of this name is likely to hold a secret.

    Examples
    --------
    >>> from streams.secret import is_secret_name
    >>> [name for name in ("sasl_plain_password", "sslKey", "api-token", "ssl_keyfile", "monkeys") if is_secret_name(name)]
    ['sasl_plain_password', 'sslKey', 'api-token']
    """
    return any(word.lower() in _SECRET_WORDS for word in _WORDS.findall(name))


class Secret:
    """A text that no repr, log, error or pickle shows.

    Examples
    --------
    >>> from streams.secret import Secret
    >>> password = Secret("swordfish")
    >>> password, f"{password}", len(password.reveal())
    (Secret(...), 'Secret(...)', 9)
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text, for the client that needs it."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(...)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written anywhere")
