"""What was caught, over HTTP: the calls of Mailpit's API that end-to-end tests use, and one to wait.

It listens where it is told to, on loopback unless told otherwise, and has no passwords: what it keeps is test
mail. Everything is JSON or text; no message's HTML is ever sent as a page.
"""

from __future__ import annotations

import importlib.metadata
import time
from typing import Any

import falcon
import pykka

from actors import GeventFuture
from gen_smtp.catch import shown
from gen_smtp.catch.found import Test, matcher
from gen_smtp.catch.store import Kept, Store

LONGEST_WAIT = 300.0
MOST_LISTED = 50


class Messages:
    """`/api/v1/messages`: list, and delete."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """A page of them, the newest first."""
        response.media = _page(self._store, self._store.all(), request)

    def on_delete(self, request: falcon.Request, response: falcon.Response) -> None:
        """Those with the ids of the body; all of them without a body."""
        ids = _ids(request)
        if ids:
            self._store.delete(ids)
        else:
            self._store.clear()
        _say_ok(response)

    def on_put(self, request: falcon.Request, response: falcon.Response) -> None:
        """Mark those with the ids of the body as read or unread; all of them without ids."""
        body = _body(request)
        ids = set(_ids(request) or [each.id for each in self._store.all()])
        self._store.read = self._store.read | ids if body.get("Read", True) else self._store.read - ids
        _say_ok(response)


class Search:
    """`/api/v1/search?query=`: list, and delete."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """A page of those that a query finds."""
        test = _query(request)
        response.media = _page(self._store, [each for each in self._store.all() if test(each)], request)

    def on_delete(self, request: falcon.Request, response: falcon.Response) -> None:
        """Forget those that a query finds."""
        test = _query(request)
        self._store.delete([each.id for each in self._store.all() if test(each)])
        _say_ok(response)


class Wait:
    """`/api/v1/wait?query=&count=&timeout=`: not Mailpit's; saves the polling."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """A page as soon as so many messages are there that the query finds; 408 if they are not in time."""
        test = matcher(request.get_param("query") or "")
        count = request.get_param_as_int("count", min_value=1, default=1)
        seconds = request.get_param_as_float("timeout", min_value=0.0, max_value=LONGEST_WAIT, default=5.0)
        deadline = time.monotonic() + seconds
        while True:
            coming = self._store.next_one()
            try:
                found = [each for each in self._store.all() if test(each)]
                left = deadline - time.monotonic()
                if len(found) >= count or left <= 0 or not _arrives(coming, left):
                    break
            finally:
                self._store.give_up(coming)
        if len(found) < count:
            raise falcon.HTTPError(
                falcon.HTTP_408, description=f"{len(found)} of {count} messages came within {seconds:g} s"
            )
        response.media = _page(self._store, found, request)


class Message:
    """`/api/v1/message/{id}` and what is below it; `latest` is the newest."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def on_get(self, request: falcon.Request, response: falcon.Response, message_id: str) -> None:
        """All of it."""
        kept = self._one(message_id)
        self._store.read.add(kept.id)
        response.media = shown.whole(kept)

    def on_get_raw(self, request: falcon.Request, response: falcon.Response, message_id: str) -> None:
        """The octets."""
        response.content_type = falcon.MEDIA_TEXT
        response.data = self._one(message_id).caught.data

    def on_get_headers(self, request: falcon.Request, response: falcon.Response, message_id: str) -> None:
        """The fields."""
        response.media = shown.headers(self._one(message_id))

    def on_get_part(
        self, request: falcon.Request, response: falcon.Response, message_id: str, part_id: str
    ) -> None:
        """An attachment, to be saved and not shown."""
        found = dict(shown.parts(self._one(message_id).caught.message)).get(part_id)
        if found is None:
            raise falcon.HTTPNotFound(description=f"the message has no part {part_id}")
        response.content_type = "application/octet-stream"
        response.downloadable_as = found.get_filename() or f"part-{part_id}"
        response.data = shown.content_of(found)

    def on_get_text(self, request: falcon.Request, response: falcon.Response, message_id: str) -> None:
        """The body as plain text, for `/view/{id}.txt`."""
        response.content_type = falcon.MEDIA_TEXT
        response.text = self._one(message_id).caught.text

    def _one(self, message_id: str) -> Kept:
        kept = self._store.get(message_id)
        if kept is None:
            raise falcon.HTTPNotFound(description=f"there is no message {message_id}")
        return kept


class Information:
    """`/api/v1/info`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """How many messages there are, and what this is."""
        kept = self._store.all()
        response.media = {
            "Version": f"gen-smtp {importlib.metadata.version('gen-smtp')}",
            "Messages": len(kept),
            "Unread": sum(each.id not in self._store.read for each in kept),
        }


class Alive:
    """`/livez` and `/readyz`."""

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """It is."""
        _say_ok(response)


def make_app(store: Store) -> Any:
    """The WSGI application."""
    app = falcon.App()
    message, alive = Message(store), Alive()
    app.add_route("/api/v1/messages", Messages(store))
    app.add_route("/api/v1/search", Search(store))
    app.add_route("/api/v1/wait", Wait(store))
    app.add_route("/api/v1/info", Information(store))
    app.add_route("/api/v1/message/{message_id}", message)
    for name in ("raw", "headers"):
        app.add_route(f"/api/v1/message/{{message_id}}/{name}", message, suffix=name)
    app.add_route("/api/v1/message/{message_id}/part/{part_id}", message, suffix="part")
    app.add_route("/view/{message_id}.txt", message, suffix="text")
    app.add_route("/livez", alive)
    app.add_route("/readyz", alive)
    return app


def _page(store: Store, found: list[Kept], request: falcon.Request) -> dict[str, Any]:
    start = request.get_param_as_int("start", min_value=0, default=0)
    limit = request.get_param_as_int("limit", min_value=0, default=MOST_LISTED)
    everything = store.all()
    page = found[start : start + limit]
    return {
        "total": len(everything),
        "unread": sum(each.id not in store.read for each in everything),
        "count": len(page),
        "messages_count": len(found),
        "start": start,
        "tags": [],
        "messages": [shown.summary(each, read=each.id in store.read) for each in page],
    }


def _query(request: falcon.Request) -> Test:
    query = request.get_param("query", required=True)
    return matcher(query)


def _body(request: falcon.Request) -> dict[str, Any]:
    if not request.content_length:
        return {}
    body = request.get_media()
    if not isinstance(body, dict):
        raise falcon.HTTPBadRequest(description='the body is JSON such as {"IDs": ["..."]}')
    return body


def _ids(request: falcon.Request) -> list[str]:
    ids = _body(request).get("IDs") or []
    if not (isinstance(ids, list) and all(isinstance(each, str) for each in ids)):
        raise falcon.HTTPBadRequest(description="IDs is a list of texts")
    return ids


def _arrives(coming: GeventFuture[None], seconds: float) -> bool:
    """Whether one more message comes in time; other requests and all sessions go on meanwhile."""
    try:
        coming.get(timeout=seconds)
    except pykka.Timeout:
        return False
    return True


def _say_ok(response: falcon.Response) -> None:
    response.content_type = falcon.MEDIA_TEXT
    response.text = "ok"
