"""The behaviour: a mail server's callbacks under gen_smtp's names, each with a plain server's answer."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Collection
from typing import Any, ClassVar, Self, TypeAlias

from actors.errors import StartError
from gen_smtp.callbacks.coroutines import coroutine_callbacks, function_of
from gen_smtp.callbacks.facts import Peername, Session, SessionSource
from gen_smtp.callbacks.mechanisms import DEFAULT, Named, check_mechanisms
from gen_smtp.callbacks.results import (
    Error,
    Greeting,
    Identified,
    Ignore,
    Multiple,
    NoReply,
    Ok,
    Reply,
    Stop,
    noreply,
    ok,
)
from gen_smtp.callbacks.stream import MessageStream
from gen_smtp.protocol.verdicts import ExtensionValue

Extensions: TypeAlias = list[tuple[str, ExtensionValue]]
Verdict: TypeAlias = Ok | Error | Stop
"""What a command's callback returns."""
HelloResult: TypeAlias = Verdict | Greeting
"""What `handle_HELO` and `handle_EHLO` return."""
AuthResult: TypeAlias = Verdict | Identified
"""What `handle_AUTH` returns."""
InitResult: TypeAlias = Ok | Stop | Ignore
"""What `init` returns."""
DataResult: TypeAlias = Verdict | Multiple
"""What `handle_DATA` and `handle_DATA_stream` return."""
OtherResult: TypeAlias = Reply | NoReply | Verdict
"""What `handle_other` returns, and `handle_EXPN`, `handle_HELP` and `handle_ETRN`."""
NoticeResult: TypeAlias = Ok | Stop | None
"""What `handle_STARTTLS` and `handle_RSET` return: their command was answered."""
InfoResult: TypeAlias = NoReply | Ok | Stop | None
"""What `handle_info` returns."""
ErrorResult: TypeAlias = Ok | Stop
"""What `handle_error` returns."""


class Behaviour:
    """A mail server's callbacks. There is one instance for each session; its attributes are its state.

    Derive from it and write the callbacks that you need. `results.py` has what they may return. One that
    blocks (a database, a file, another server) belongs in `blocking`: it runs in a worker thread then.

        class MyServer(gen_smtp_server_session.Behaviour):
            blocking = {"handle_DATA"}

            def handle_DATA(self, sender, recipients, data):
                return ok(f"queued as {self.queue.put(sender, recipients, data)}")

    A callback may be `async def`. It runs on an asyncio loop of the library's own, or on that of the server
    option `loop` gives, and is cancelled if the session ends meanwhile. `AsyncBehaviour` has the types.

    Attributes:
        blocking: the names of the callbacks that run in a worker thread.
        vsn: the version of the class, handed to `code_change` of the next one.
        mechanisms: the SASL mechanisms that AUTH may use where `handle_EHLO` announces them: the names of
            built-in ones, and classes of your own derived from `gen_smtp.sasl.Mechanism`.
        takes_authzid: whether `handle_AUTH` looks at `session.authzid`, the user that the client wants to act
            as. Else a client that wants to be another one than it authenticates as is answered 535, and
            `handle_AUTH` is not asked (RFC 4616 2).
        coroutines: the names of the callbacks that are `async def`; found when the class is made.
        session: the facts of the session, from `init` to `terminate`; read-only.
    """

    blocking: ClassVar[Collection[str]] = frozenset()
    vsn: ClassVar[Any] = 0
    mechanisms: ClassVar[Collection[Named]] = DEFAULT
    takes_authzid: ClassVar[bool] = False
    _session_source: SessionSource
    _session_facts: Session | None = None
    coroutines: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.coroutines = coroutine_callbacks(cls, CALLBACKS)

    @property
    def session(self) -> Session:
        """The facts of the session that this object serves."""
        if self._session_facts is None:
            self._session_facts = Session(self._session_source)
        return self._session_facts

    @classmethod
    def check_options(cls, options: Any) -> None:
        """Check the session option `callbackoptions` before a server starts, for each of its listeners.

        What is wrong is found there then, and not by the first client. It must not block for long, nor change
        anything: `gen-smtp serve --check` calls it and starts no server.

        Args:
            options: what `init` will get.

        Raises:
            ValueError: they are wrong; best an OptionsError that names the option.
        """

    def init(self, hostname: str, session_count: int, peername: Peername, options: Any) -> InitResult:
        """A client has connected; or one that may do so says by XCLIENT that it speaks for another.

        In the latter case it runs on a new object; the one before hears `terminate("xclient")`.

        Args:
            hostname: the listener's domain.
            session_count: the server's sessions, this one included.
            peername: the client's address, behind a balancer the real client's; None on a unix socket, or
                where XCLIENT says that it is not known.
            options: the session option `callbackoptions`.

        Returns:
            `ok` or `ok(banner)`; `stop(reason, message)` refuses the client; `ignore` closes without a word.
        """
        return ok

    def handle_HELO(self, hostname: str) -> HelloResult:
        """HELO. `ok(size)` sets the largest message in octets; `math.inf` is without limit.

        `greeting(text)` and `greeting(text, size)` have a text of their own.
        """
        return ok

    def handle_EHLO(self, hostname: str, extensions: Extensions) -> HelloResult:
        """EHLO, and LHLO in LMTP.

        Args:
            hostname: the name the client gave.
            extensions: the built-in extensions as (name, value), a fresh list; True is the name alone.

        Returns:
            `ok(extensions)` with the list to announce: it is the one switch for each extension. `ok`
            announces the built-in ones. `greeting(text)` and `greeting(text, extensions)` have a first line
            of their own.
        """
        return Ok(extensions)

    def handle_STARTTLS(self) -> NoticeResult:
        """TLS is established. Hello and transaction are forgotten."""
        return None

    def handle_AUTH(self, mechanism: str, username: str, credential: Any) -> AuthResult:
        """The client wants to authenticate. Announce AUTH in handle_EHLO to be asked.

        Args:
            mechanism: its name in small letters: `"plain"`, `"login"`, `"cram-md5"`, or another one of
                `mechanisms`.
            username: who the client says that it is; for `external`, who its certificate says.
            credential: the password for plain and login; for cram-md5 (digest, challenge), see
                `smtp_util.compute_cram_digest`; for all others see docs/auth.md.

        Returns:
            `ok`, `identified(user)` where the credential says who the user is, `error` or `stop`.
            `session.authzid` is whom the client wants to act as, in a class with `takes_authzid`.
        """
        return Error()

    def handle_AUTH_keys(self, mechanism: str, username: str) -> Verdict:
        """A mechanism needs what is kept of a user's password, before it can check the client: SCRAM does.

        Args:
            mechanism: its name in small letters, as `"scram-sha-256"`.
            username: who the client says that it is.

        Returns:
            `ok(keys)`, for SCRAM a `gen_smtp.sasl.ScramKeys`; `error` if there is no such user, of which the
            client hears no more than of a wrong password; `error("454 ...")` and `stop` end the exchange.
        """
        return Error()

    def handle_MAIL(self, sender: str) -> Verdict:
        """MAIL: the reverse-path, empty for the null path."""
        return ok

    def handle_MAIL_extension(self, extension: str) -> Verdict:
        """A parameter of MAIL that is not built in, as `KEYWORD` or `KEYWORD=value`; before handle_MAIL.

        A bare `error` says that the callback does not know it: that is 555, or fine if the protocol knows it.
        """
        return Error()

    def handle_RCPT(self, recipient: str) -> Verdict:
        """RCPT: a forward-path."""
        return ok

    def handle_RCPT_extension(self, extension: str) -> Verdict:
        """A parameter of RCPT, as `KEYWORD` or `KEYWORD=value`; before handle_RCPT.

        A bare `error` is as in `handle_MAIL_extension`.
        """
        return Error()

    def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> DataResult:
        """A message is complete. After `ok` it is yours to keep: the client forgets it.

        Args:
            sender: the reverse-path.
            recipients: the accepted forward-paths in order, repeated ones too.
            data: the message with its last CRLF, dots un-stuffed; one that came by BDAT as it came, perhaps
                without that CRLF.
        """
        return Error("554 This server takes no messages")

    def handle_DATA_stream(self, sender: str, recipients: list[str], stream: MessageStream) -> DataResult:
        """A message begins to arrive. A class that has this callback is not asked handle_DATA.

        `stream` is a binary file that brings the message, dots un-stuffed, as fast as the client sends it and
        no faster than it is read: what the callback does not keep takes no memory. Name it in `blocking` if
        it writes to files or the like; else its reads wait as other waits of this library do.

        It may return before the end: the rest is read away, and the client hears the result then. While it
        runs, nothing else of this object is called, and messages for handle_info wait.

        Args:
            sender: the reverse-path.
            recipients: the accepted forward-paths in order, repeated ones too.
            stream: see `gen_smtp.callbacks.stream.MessageStream`. Its reads raise IncompleteMessage when the
                message won't be complete; whatever is done then, it is never answered with 250.

        Returns:
            what handle_DATA may return.
        """
        return self.handle_DATA(sender, recipients, stream.read())

    def handle_RSET(self) -> NoticeResult:
        """RSET was answered; the transaction is gone."""
        return None

    def handle_VRFY(self, address: str) -> Verdict:
        """VRFY."""
        return ok("252 VRFY disabled by policy, just send some mail")

    def handle_required(self, what: str, verb: str) -> Verdict:
        """A command is refused: `require_tls` or `require_auth` wants something else first.

        Args:
            what: `tls` or `auth`.
            verb: the command.

        Returns:
            `ok` for the usual 530; `error("530 5.7.0 Log in, as https://example.com/help says")` for a reply
            of your own. The command is refused in any case.
        """
        return ok

    def handle_EXPN(self, name: str) -> OtherResult:
        """EXPN: who is on a list. `ok([text, text])` is a line for each; `error` answers 502.

        A class with a `handle_other` of its own, and none of this callback, is asked there, as in gen_smtp.
        So it is with `handle_HELP` and `handle_ETRN`.
        """
        return Error()

    def handle_HELP(self, topic: str) -> OtherResult:
        """HELP, with a topic or the empty text. `ok` names the commands that the client may use now."""
        return ok

    def handle_ETRN(self, node: str) -> OtherResult:
        """ETRN: send what waits for a node, by another connection (RFC 1985); `ok` says that it has begun.

        Only for clients to whom `handle_EHLO` has announced ETRN; `error` answers 502, and so are the others.
        """
        return Error()

    def handle_other(self, verb: str, args: str) -> OtherResult:
        """A command that SMTP does not know; `verb` is in upper case.

        Behind an AUTH or a DATA that was refused, the line may be part of a password or of a message: log
        none of it. `error` answers 500, and names the verb only if it is a short word of letters.
        """
        return Error()

    def handle_info(self, message: Any) -> InfoResult:
        """Somebody sent the session a message: `session_ref.tell(message)`."""
        return noreply

    def handle_error(self, error_class: str, detail: Any) -> ErrorResult:
        """Something went wrong in the dialogue or with the connection. Runs after the reply.

        Args:
            error_class: `out_of_order`, `data_rejected`, `timeout`, `tcp_closed`, `ssl_closed`, `tcp_error`,
                `ssl_error`, `ssl_handshake_error` or `send_error`.
            detail: the verb, the cause or the system's reason.
        """
        return ok

    def terminate(self, reason: Any) -> object:
        """The session ends; its connection is closed. Runs once for each object whose init said ok.

        Args:
            reason: `normal`, `shutdown`, `("error_receiving_data", why)`, `("limit", name)` for one of the
                session's limits, what `stop` said, or the exception; `xclient` where the session goes on for
                another client, with another object.
        """
        return None

    @classmethod
    def code_change(cls, old_vsn: Any, old: Behaviour, extra: Any) -> Self:
        """Make the object of the new class that goes on for `old`.

        Args:
            old_vsn: `vsn` of the old class.
            old: the object that served the session so far.
            extra: whatever the upgrade was started with.
        """
        new = cls.__new__(cls)
        new.__dict__.update(old.__dict__)
        return new


CALLBACKS = tuple(
    name for name in vars(Behaviour) if name in ("init", "terminate") or name.startswith("handle_")
)

Module: TypeAlias = Callable[[], Behaviour]
"""Makes the callback object of a session: usually a class derived from Behaviour."""


class BehaviourError(StartError, TypeError):
    """The callback module has not the shape of a behaviour."""


def check_module(module: Any) -> Module:
    """Check a callback module before a server starts with it.

    Args:
        module: a class derived from Behaviour, or anything that makes an object of one when called.

    Raises:
        BehaviourError: what is wrong with it, and how to mend it.
    """
    checked_class(module)
    made: Module = module
    return made


def checked_class(module: Any) -> type[Behaviour]:
    """As `check_module`; returns the class of the objects that the module makes."""
    if not callable(module):
        raise BehaviourError(
            "the callback module must be a class derived from gen_smtp_server_session.Behaviour, "
            f"not {module!r}"
        )
    cls = class_made_by(module)
    if not issubclass(cls, Behaviour):
        raise BehaviourError(f"{cls.__qualname__} must be derived from gen_smtp_server_session.Behaviour")
    _check_constructor(module)
    for name in CALLBACKS:
        _check_callback(cls, name)
    _check_names(cls)
    _check_blocking(cls)
    try:
        check_mechanisms(cls.mechanisms, cls.handle_EHLO, has_keys=_overrides(cls, "handle_AUTH_keys"))
    except ValueError as error:
        raise BehaviourError(f"{cls.__qualname__}.{error}") from None
    if not isinstance(cls.takes_authzid, bool):
        raise BehaviourError(
            f"{cls.__qualname__}.takes_authzid must be True or False, not {cls.takes_authzid!r}"
        )
    if not isinstance(inspect.getattr_static(cls, "check_options"), classmethod | staticmethod):
        raise BehaviourError(
            f"{cls.__qualname__}.check_options must be a classmethod: there is no object yet"
        )
    for name in ("check_options", "code_change"):
        if inspect.iscoroutinefunction(function_of(cls, name)):
            raise BehaviourError(f"{cls.__qualname__}.{name} is `async def`, which only callbacks can be")
    return cls


def class_made_by(module: Any) -> type[Any]:
    """The class of the objects that a callback module makes; made one to see if need be."""
    target = module
    while isinstance(target, functools.partial):
        target = target.func
    if isinstance(target, type):
        return target
    try:
        return type(module())
    except Exception as error:
        raise BehaviourError(
            f"{module!r} must make a callback object without arguments, but raised {error!r}"
        ) from error


def _check_constructor(module: Callable[..., Any]) -> None:
    try:
        inspect.signature(module).bind()
    except TypeError as error:
        raise BehaviourError(f"{module!r} must make a callback object without arguments: {error}") from None
    except ValueError:
        return  # a callable without a signature, such as one written in C


def _check_callback(cls: type[Behaviour], name: str) -> None:
    method = inspect.getattr_static(cls, name)
    function = function_of(cls, name)
    if inspect.isasyncgenfunction(function):
        raise BehaviourError(f"{cls.__qualname__}.{name} has a `yield`; a callback returns its one result")
    if not callable(getattr(cls, name)):
        raise BehaviourError(f"{cls.__qualname__}.{name} must be a method, not {function!r}")
    parameters = list(inspect.signature(getattr(Behaviour, name)).parameters)
    if isinstance(method, staticmethod | classmethod):
        del parameters[0]
    try:
        inspect.signature(getattr(cls, name)).bind(*parameters)
    except TypeError:
        raise BehaviourError(f"{cls.__qualname__}.{name} must take ({', '.join(parameters)})") from None
    except ValueError:
        return  # a callable without a signature, such as one written in C


def _check_names(cls: type[Behaviour]) -> None:
    by_letters = {_letters(name): name for name in CALLBACKS}
    for name in dir(cls):
        if name in CALLBACKS or name.startswith("_"):
            continue
        meant = by_letters.get(_letters(name))
        if meant is not None:
            raise BehaviourError(f"{cls.__qualname__}.{name} is never called; did you mean {meant}?")
        if name.lower().startswith("handle_"):
            raise BehaviourError(
                f"{cls.__qualname__}.{name} is never called{_hint(name) or '.'} "
                "Only callbacks' names begin with handle_; a name of your own may begin with _handle_."
            )
    if cls.session is not Behaviour.session:
        raise BehaviourError(f"{cls.__qualname__}.session is reserved: it has the facts of the session")


def _letters(name: str) -> str:
    return name.lower().replace("_", "")


def _check_blocking(cls: type[Behaviour]) -> None:
    if isinstance(cls.blocking, str) or not isinstance(cls.blocking, Collection):
        raise BehaviourError(
            f"{cls.__qualname__}.blocking must be a set of callbacks' names, not {cls.blocking!r}"
        )
    for name in cls.blocking:
        if name not in CALLBACKS:
            hint = _hint(str(name))
            raise BehaviourError(f"{cls.__qualname__}.blocking names {name!r}, which is no callback{hint}")
        if inspect.iscoroutinefunction(function_of(cls, name)):
            raise BehaviourError(
                f"{cls.__qualname__}.blocking names {name!r}, which is `async def`: it blocks nobody as it is"
            )


def _hint(name: str) -> str:
    by_lower_case = {each.lower(): each for each in CALLBACKS}
    near = difflib.get_close_matches(name.lower(), by_lower_case, 1)
    return f"; did you mean {by_lower_case[near[0]]}?" if near else ""


# -- the object of one session --------------------------------------------------------------------


def make_callback(module: Module, session: SessionSource) -> Behaviour:
    """The callback object of a session.

    Raises:
        TypeError: what `module` made is no Behaviour.
        Exception: what `module` raises.
    """
    made = module()
    if not isinstance(made, Behaviour):
        raise TypeError(f"the callback module made {made!r}, which is no Behaviour")
    made._session_source = session
    return made


def make_successor(module: Module, old: Behaviour, extra: Any) -> Behaviour:
    """An object of another class, which its `code_change` makes of the present one.

    Raises:
        TypeError: `code_change` returned no Behaviour.
        RuntimeError: it raised what is no Exception, as `sys.exit` does: that ends neither session nor asker.
        Exception: what it raises.
    """
    try:
        new = class_made_by(module).code_change(type(old).vsn, old, extra)
    except Exception:
        raise
    except BaseException as error:
        if old._session_source.must_end(error):
            raise  # killed in the middle of it
        raise RuntimeError(f"code_change raised {error!r}") from error
    if not isinstance(new, Behaviour):
        raise TypeError(f"code_change returned {new!r}, which is no Behaviour")
    new._session_source = old._session_source
    return new


def has_own(callback: Behaviour, name: str) -> bool:
    """Tell whether its class has a callback of its own instead of Behaviour's."""
    return _overrides(type(callback), name)


def _overrides(cls: type[Behaviour], name: str) -> bool:
    return getattr(cls, name) is not getattr(Behaviour, name)
