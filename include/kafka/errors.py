"""What went wrong with Kafka, in one sentence that says what to do."""

from __future__ import annotations

import logging
from collections.abc import Callable

from confluent_kafka import KafkaError as Cause
from confluent_kafka import KafkaException

from include.connections import Endpoint

log = logging.getLogger(__name__)


class KafkaError(Exception):
    """Kafka could not do what was asked; the text says why, and what to do next.

    `away` is true where no broker answered, or one is ill, so that the same may work later.
    """

    def __init__(self, text: str, *, away: bool = False) -> None:
        super().__init__(text)
        self.away = away


def servers(endpoint: Endpoint) -> str:
    """The brokers a connection names, for messages."""
    return str(endpoint.extra.get("bootstrap.servers", ""))


class Trouble:
    """Listens to one client's errors, so that a failed call can be told by its cause: a refused login shows itself in a
    call as a broker that does not answer."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.seen: list[Cause] = []

    def __call__(self, error: Cause) -> None:
        """Hears of an error: what a client takes as its error_cb."""
        log.debug("%s: %s", self.endpoint.conn_id, error)
        self.seen = [*self.seen[-20:], error]

    def explain(self, doing: str, problem: Cause | KafkaException) -> KafkaError:
        """The error to raise: what was being done, why it failed, what to do."""
        cause: Cause = problem.args[0] if isinstance(problem, KafkaException) else problem
        if cause.code() in _VAGUE:
            # The first clear word is nearer to the cause than the last.
            cause = next((error for error in self.seen if error.code() not in _VAGUE), cause)
        advice = _ADVICE.get(cause.code(), _unknown)
        return KafkaError(f"{doing}: {advice(self.endpoint, cause)}", away=advice in (_away, _unknown))


def topic_missing(topic: str) -> KafkaError:
    """The error for a topic that is not there."""
    return KafkaError(f"topic {topic} is missing: run the DAG prepare, which makes every contract's topics")


def _away(endpoint: Endpoint, cause: Cause) -> str:
    return (
        f"no broker answers at {servers(endpoint)} ({cause.str()}): "
        f"see that Kafka runs and that connection {endpoint.conn_id} names it"
    )


def _login(endpoint: Endpoint, cause: Cause) -> str:
    return (
        f"{servers(endpoint)} refused the login ({cause.str()}): correct sasl.username, sasl.password and "
        f"security.protocol in connection {endpoint.conn_id}"
    )


def _tls(endpoint: Endpoint, cause: Cause) -> str:
    return (
        f"TLS with {servers(endpoint)} failed ({cause.str()}): correct security.protocol and ssl.ca.location in "
        f"connection {endpoint.conn_id}"
    )


def _forbidden(endpoint: Endpoint, cause: Cause) -> str:
    return f"not allowed ({cause.str()}): let the account of connection {endpoint.conn_id} do this"


def _fenced(endpoint: Endpoint, cause: Cause) -> str:
    return "another run of the same burst (or another redrive) took over: nothing of this one counts, see how that ends"


def _missing(endpoint: Endpoint, cause: Cause) -> str:
    return f"a topic is missing ({cause.str()}): run the DAG prepare, which makes every contract's topics"


def _setting(endpoint: Endpoint, cause: Cause) -> str:
    return f"a setting is wrong ({cause.str()}): correct it in the extra of connection {endpoint.conn_id}"


def _too_large(endpoint: Endpoint, cause: Cause) -> str:
    return f"a record is larger than its topic takes ({cause.str()}): make it smaller"


def _unknown(endpoint: Endpoint, cause: Cause) -> str:
    return f"{cause.str()} ({cause.name()}): try again; if it stays, see the broker's log at {servers(endpoint)}"


_VAGUE = {
    Cause._TRANSPORT,
    Cause._ALL_BROKERS_DOWN,
    Cause._TIMED_OUT,
    Cause._MSG_TIMED_OUT,
    Cause._TIMED_OUT_QUEUE,
    Cause._PURGE_QUEUE,
    Cause._FATAL,
}

_ADVICE: dict[int, Callable[[Endpoint, Cause], str]] = {
    **dict.fromkeys([*_VAGUE, Cause._RESOLVE, Cause.COORDINATOR_NOT_AVAILABLE], _away),
    **dict.fromkeys([Cause._AUTHENTICATION, Cause.SASL_AUTHENTICATION_FAILED], _login),
    **dict.fromkeys([Cause._SSL], _tls),
    **dict.fromkeys(
        [
            Cause.TOPIC_AUTHORIZATION_FAILED,
            Cause.GROUP_AUTHORIZATION_FAILED,
            Cause.CLUSTER_AUTHORIZATION_FAILED,
            Cause.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        ],
        _forbidden,
    ),
    **dict.fromkeys([Cause._FENCED, Cause.PRODUCER_FENCED, Cause.INVALID_PRODUCER_EPOCH], _fenced),
    **dict.fromkeys([Cause.UNKNOWN_TOPIC_OR_PART, Cause._UNKNOWN_TOPIC, Cause._UNKNOWN_PARTITION], _missing),
    **dict.fromkeys([Cause._INVALID_ARG, Cause._CONFLICT], _setting),
    Cause.MSG_SIZE_TOO_LARGE: _too_large,
}
