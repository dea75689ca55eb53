"""Gets schemas from a schema registry over HTTP (Confluent's API), each once."""

from __future__ import annotations

import base64
import json
import ssl
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import quote

from pydantic import SecretStr

from monitor.clock import SECOND_US, Clock
from monitor.errors import TransientError, UsageError
from monitor.records import RegisteredSchema, SchemaId
from monitor.settings.tree import Registry

#: bytes of an answer; more is no schema
_LARGEST: Final = 8 << 20
#: how deep schemas may refer to each other
_DEEPEST: Final = 20
#: seconds until a schema that could not be had is asked for again
_AGAIN: Final = 5.0
_ACCEPT: Final = "application/vnd.schemaregistry.v1+json, application/json"


class RegistryClient:
    """Schemas by their id, kept for good: a schema never changes under its id. Not thread-safe."""

    def __init__(self, settings: Registry, clock: Clock) -> None:
        """Raises UsageError: the file of authorities cannot be read, or there is no URL."""
        if settings.url is None:
            raise UsageError("schema_registry.url: missing; write schema_registry: {url: https://HOST:8081}")
        self._url = settings.url.rstrip("/")
        self._clock = clock
        self._timeout = settings.timeout / SECOND_US
        self._authorization = _authorization(settings)
        self._known: dict[SchemaId, RegisteredSchema] = {}
        #: why a schema could not be had, and when to ask again
        self._failed: dict[SchemaId, tuple[str, float]] = {}
        try:
            context = ssl.create_default_context(cafile=None if settings.cafile is None else str(settings.cafile))
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise UsageError(f"schema_registry.cafile: {why}; write the path of a readable PEM file") from None
        self._open = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _NoRedirect()).open

    def schema(self, schema_id: SchemaId) -> RegisteredSchema:
        """The schema of an id.

        Raises:
            TransientError: the registry does not answer, or does not know it.
        """
        known = self._known.get(schema_id)
        if known is not None:
            return known
        why, until = self._failed.get(schema_id, ("", 0.0))
        if why and self._clock.monotonic() < until:
            raise TransientError(why)
        try:
            found = self._fetched(schema_id)
        except TransientError as error:
            self._failed[schema_id] = str(error), self._clock.monotonic() + _AGAIN
            raise
        self._failed.pop(schema_id, None)
        self._known[schema_id] = found
        return found

    def _fetched(self, schema_id: SchemaId) -> RegisteredSchema:
        what = f"schema {schema_id}"
        path = f"schemas/ids/{schema_id}" if isinstance(schema_id, int) else f"schemas/guids/{quote(schema_id)}"
        return self._with_references(self._get(path, what), what, 0)

    def _with_references(self, answer: dict[str, Any], what: str, depth: int) -> RegisteredSchema:
        text, kind, references = answer.get("schema"), answer.get("schemaType"), answer.get("references")
        if not isinstance(text, str) or depth > _DEEPEST:
            raise TransientError(f"{self._named}: {what}: the answer is no schema")
        found: list[tuple[str, RegisteredSchema]] = []
        for reference in references if isinstance(references, list) else ():
            name, subject, version = (reference.get(key) for key in ("name", "subject", "version"))
            below = self._get(f"subjects/{quote(str(subject), safe='')}/versions/{version}", f"{what} refers to {name}")
            found.append((str(name), self._with_references(below, what, depth + 1)))
        return RegisteredSchema(kind if isinstance(kind, str) else "AVRO", text, tuple(found))

    @property
    def _named(self) -> str:
        return f"schema registry {self._url}"

    def _get(self, path: str, what: str) -> dict[str, Any]:
        request = urllib.request.Request(f"{self._url}/{path}", headers={"Accept": _ACCEPT, **self._authorization})  # noqa: S310  # http or https, as the settings require
        try:
            with self._open(request, timeout=self._timeout) as answer:
                content = json.loads(answer.read(_LARGEST))
        except urllib.error.HTTPError as error:
            error.close()
            raise TransientError(f"{self._named}: {what}: {_meaning(error.code)}") from None
        except (OSError, ValueError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise TransientError(f"{self._named} does not answer: {reason or type(error).__name__}") from None
        if not isinstance(content, dict):
            raise TransientError(f"{self._named}: {what}: the answer is no schema")
        return content


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Credentials go to the configured registry only."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


def _authorization(settings: Registry) -> dict[str, str]:
    if settings.token is not None:
        return {"Authorization": f"Bearer {_shown(settings.token)}"}
    if settings.user is not None and settings.password is not None:
        pair = f"{settings.user}:{_shown(settings.password)}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    return {}


def _shown(secret: SecretStr) -> str:
    return secret.get_secret_value()


def _meaning(code: int) -> str:
    if code == 404:
        return "it is not there (404)"
    if code in {401, 403}:
        return f"this user may not read it ({code}); check schema_registry.user, password or token"
    return f"HTTP {code}"
