"""Listens on an address of the settings."""

from __future__ import annotations

import socket

from monitor.errors import UsageError


def listen(section: str, host: str, port: int, backlog: int) -> socket.socket:
    """A socket that listens; `section` of the settings has the address, and the kernel holds `backlog` connections.

    Raises:
        UsageError: the address cannot be listened on.
    """
    where = f"{host}:{port}"
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family, backlog=backlog)
    except PermissionError:
        message = f"{section}.port: {where} may not be listened on by this user; set {section}.port to one above 1023"
    except (socket.gaierror, UnicodeError):
        message = f"{section}.host: {host!r} is not an address of this machine; write 127.0.0.1 or 0.0.0.0"
    except OSError as error:
        setting = f"{section}.port (DRIFTD_{section.upper()}__PORT)"
        message = (
            f"{section}.port: {where} cannot be listened on ({error.strerror}); stop what uses it,"
            f" or set {setting} to a free one and {section}.host to an address of this machine"
        )
    raise UsageError(message)
