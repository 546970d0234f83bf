"""
The metrics that the daemon has.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from aerostack.core.diagnosis.histogram import BOUNDS, SIZES
from aerostack.errors import CLOSE_CODES, ERRORS
from aerostack.interfaces.models import STATUSES

DATABASE_CALLS = "aerostack_database_call_seconds"
"""The metric of the database's calls, by the purpose of the connection."""

MODEL_REQUESTS = "aerostack_model_requests_total"
"""The metric of the requests to models, by what becomes of them."""

CLOSES = "aerostack_closes_total"
"""The metric of the ends of connections, by code and side."""

ACCEPTED = "aerostack_publications_accepted_total"
"""The metric of publications that this daemon has put in order, by kinds of topics."""

CONNECTIONS = "aerostack_project_connections"
SUBSCRIPTIONS = "aerostack_project_subscriptions"
OUTBOXES = "aerostack_outbox_bytes"
READERS = "aerostack_slow_readers"

BUILD = "aerostack_build_info"
"""The metric whose labels say what runs."""

_BETWEEN = "\0"
"""Stands between a metric's name and the values of its labels."""

_TOPICS = ("project", "topics")
"""The labels of what is counted by topics.  C{topics} is a pattern, so the configuration bounds how
many values there are."""


@dataclass(frozen=True)
class Metric:
    """
    One number, one histogram, or several of them that labels tell apart.  No client chooses the
    value of a label.

    @ivar kind: C{counter} if it only grows while the daemon runs, C{histogram} if it counts
        things by how long they took or how large they were, else C{gauge}.
    @ivar meaning: The help text.
    @ivar join: Makes the daemon's number of those of its processes.
    @ivar labels: The names of its labels.
    @ivar of: The values of the labels that a process always has numbers for.
    @ivar bounds: The upper bounds of a histogram's buckets.
    """

    name: str
    kind: str
    meaning: str
    join: Callable[[Iterable[float]], float] = sum
    labels: tuple[str, ...] = ()
    of: tuple[tuple[str, ...], ...] = ()
    bounds: tuple[float, ...] = BOUNDS


def keyOf(name: str, *values: str) -> str:
    """
    The name of one of several numbers of a metric.

    @param values: The values of its labels.
    """
    return _BETWEEN.join((name, *values))


def labelKey(*values: str) -> str:
    """
    The key of one of several histograms of a metric.

    @param values: The values of its labels.
    """
    return _BETWEEN.join(values)


def valuesOf(key: str) -> list[str]:
    """
    The values of the labels in a key of L{labelKey}.
    """
    return key.split(_BETWEEN)


def metricOf(key: str) -> str:
    """
    The name of the metric to which a key of L{keyOf} belongs.
    """
    return key.partition(_BETWEEN)[0]


def labelsOf(key: str) -> list[str]:
    """
    The values of the labels in a key of L{keyOf}.
    """
    return key.split(_BETWEEN)[1:]


REFUSALS = "aerostack_refusals_total"
"""The metric of refused requests, by the code of the error."""


METRICS = (
    Metric("aerostack_connections", "gauge", "Open WebSocket connections."),
    Metric("aerostack_subscriptions", "gauge", "Subscriptions of all connections together."),
    Metric("aerostack_topics", "gauge", "Topics that have a subscriber."),
    Metric("aerostack_publications_total", "counter", "Events and messages that were published."),
    Metric("aerostack_emitted_total", "counter", "Events of transactions that were published."),
    Metric(
        "aerostack_emitted_refused_total",
        "counter",
        "Events of transactions that cannot be published; the log says why.",
    ),
    Metric(
        REFUSALS,
        "counter",
        "Requests and frames that were refused, by the code of the error.",
        labels=("code",),
        of=tuple((code,) for code in ERRORS),
    ),
    Metric("aerostack_changes_total", "counter", "Table changes that the daemon has read."),
    Metric("aerostack_delivered_total", "counter", "Live frames that were given to subscribers."),
    Metric("aerostack_feed_up", "gauge", "1 while the daemon can read table changes, else 0.", min),
    Metric(
        "aerostack_feed_lag_seconds",
        "gauge",
        "Seconds since the daemon had sent every committed change; 0 while no table is watched.",
        max,
    ),
    Metric(
        "aerostack_feed_unnumbered_seconds",
        "gauge",
        "Age of the oldest committed change that has no number yet; 0 if there is none.",
        max,
    ),
    Metric("aerostack_feed_position", "gauge", "Number of the newest change that was sent.", max),
    Metric(
        "aerostack_open_transaction_seconds",
        "gauge",
        "Age of the database's oldest open transaction; 0 if none is known.",
        max,
    ),
    Metric(
        "aerostack_engine_up", "gauge", "1 if the engine answers, or there is none, else 0.", min
    ),
    Metric(
        "aerostack_nodes",
        "gauge",
        "Daemons on the engine that were heard in the last ten seconds, with this one.",
        max,
    ),
    Metric(
        "aerostack_nodes_silent",
        "gauge",
        "Daemons on the engine that were not heard for ten seconds, and have not said that they"
        " stop.",
        max,
    ),
    Metric(
        "aerostack_nodes_different",
        "gauge",
        "Daemons on the engine that have another database or other settings.",
        max,
    ),
    Metric(
        "aerostack_database_up",
        "gauge",
        "1 if the database keeps messages, 0 if it does not or the daemon waits for it.",
        min,
    ),
    Metric("aerostack_healthy", "gauge", "1 if /health is 200, else 0.", min),
    Metric(
        "aerostack_publish_to_socket_seconds",
        "histogram",
        "Time from the arrival of a publication until every subscriber's socket has it.",
        labels=_TOPICS,
    ),
    Metric(
        "aerostack_commit_to_socket_seconds",
        "histogram",
        "Time from the change of a row until every subscriber's socket has it.",
        labels=("topics",),
    ),
    Metric(
        "aerostack_event_loop_delay_seconds",
        "histogram",
        "Delay of a call that the event loop makes every 125 ms.",
    ),
    Metric(
        "aerostack_garbage_search_seconds",
        "histogram",
        "Time of a search of Python's garbage collector, during which the event loop stands still.",
    ),
    Metric("aerostack_model_answers_running", "gauge", "Answers of models that run."),
    Metric("aerostack_model_answers_total", "counter", "Answers that models were asked for."),
    Metric(
        "aerostack_model_failures_total", "counter", "Answers that models broke off or refused."
    ),
    Metric(
        MODEL_REQUESTS,
        "counter",
        "Requests to models, by status.",
        labels=("status",),
        of=tuple((status,) for status in STATUSES),
    ),
    Metric("aerostack_streams", "gauge", "Token streams that run."),
    Metric(
        "aerostack_stream_watchers",
        "gauge",
        "Subscribers of topics on which token streams run, and requests over HTTP that read them.",
    ),
    Metric("aerostack_streams_done_total", "counter", "Token streams that have ended as done."),
    Metric("aerostack_streams_failed_total", "counter", "Token streams whose producers failed."),
    Metric("aerostack_streams_cancelled_total", "counter", "Token streams that were cancelled."),
    Metric("aerostack_streams_aborted_total", "counter", "Token streams that the daemon ended."),
    Metric(
        "aerostack_streams_unkept_total",
        "counter",
        "Ends of token streams that were sent before the database had kept them.",
    ),
    Metric("aerostack_streams_bytes", "gauge", "Memory that token streams take."),
    Metric(
        "aerostack_stream_appends_total", "counter", "Texts and values that producers have sent."
    ),
    Metric("aerostack_stream_characters_total", "counter", "Characters that producers have sent."),
    Metric(
        "aerostack_stream_frames_total",
        "counter",
        "Frames that brought text to watchers, each counted once for all watchers.",
    ),
    Metric(
        "aerostack_stream_late_joins_total",
        "counter",
        "Subscriptions, and requests that watch a token stream, that began while it was running.",
    ),
    Metric(
        "aerostack_stream_snapshot_bytes_total",
        "counter",
        "Bytes that these were sent at their beginnings; of requests the text alone.",
    ),
    Metric(
        "aerostack_stream_first_token_seconds",
        "histogram",
        "Time from the start of a token stream until its first text.",
    ),
    Metric(
        "aerostack_stream_append_to_socket_seconds",
        "histogram",
        "Time from the arrival of text of a token stream until every subscriber's socket has it.",
    ),
    Metric(
        "aerostack_stream_tick_seconds",
        "histogram",
        "Time of a tick, until every subscriber's socket has what streams have grown by.",
    ),
    Metric(
        DATABASE_CALLS,
        "histogram",
        "Time of a database call, including the wait for a connection, by kind.",
        labels=("kind",),
    ),
    Metric(
        ACCEPTED,
        "counter",
        "Events and messages that this daemon has taken from clients, servers and transactions.",
        labels=_TOPICS,
    ),
    Metric(
        "aerostack_frame_bytes",
        "histogram",
        "Size of a live frame, counted once for each subscriber that it is for.",
        labels=_TOPICS,
        bounds=SIZES,
    ),
    Metric(
        "aerostack_received_frame_bytes",
        "histogram",
        "Size of a frame that a client has sent.",
        bounds=SIZES,
    ),
    Metric(
        "aerostack_acknowledgement_seconds",
        "histogram",
        "Time from a client's publication until its ack; kept is true if it was to be kept.",
        labels=("kept",),
    ),
    Metric(
        CLOSES,
        "counter",
        "Connections that have ended, by close code and by the side that closed; 1006 is a break.",
        labels=("code", "by"),
        of=tuple((str(code), "daemon") for code in CLOSE_CODES),
    ),
    Metric(
        OUTBOXES,
        "gauge",
        "Memory of frames that wait for clients which read slowly.",
        labels=("project",),
    ),
    Metric(
        READERS,
        "gauge",
        "Clients whose sockets take no more for now.",
        labels=("project",),
    ),
    Metric(
        CONNECTIONS,
        "gauge",
        "Open connections of a project.",
        labels=("project",),
    ),
    Metric(
        SUBSCRIPTIONS,
        "gauge",
        "Subscriptions of a project's connections.",
        labels=("project",),
    ),
    Metric(
        "aerostack_certificate_expiry_timestamp_seconds",
        "gauge",
        "When the served certificate expires, Unix time.",
        min,
        labels=("listener",),
    ),
    Metric(
        "aerostack_config_last_reload_successful",
        "gauge",
        "1 if the configuration and the certificates were taken up at the last reload, else 0.",
        min,
    ),
    Metric(
        "aerostack_config_last_reload_success_timestamp_seconds",
        "gauge",
        "When the configuration that holds was read, Unix time.",
        max,
    ),
    Metric(
        BUILD,
        "gauge",
        "1; the labels say which version runs, and on which Python.",
        max,
        labels=("version", "python"),
    ),
    Metric(
        "process_cpu_seconds_total",
        "counter",
        "Processor time that all processes of the daemon have used.",
    ),
    Metric(
        "process_resident_memory_bytes",
        "gauge",
        "Resident memory of all processes of the daemon; what they share counts for each.",
    ),
    Metric(
        "process_open_fds",
        "gauge",
        "Open file descriptors of the process that has the most.",
        max,
    ),
    Metric("process_max_fds", "gauge", "How many file descriptors a process may have.", min),
    Metric(
        "process_start_time_seconds",
        "gauge",
        "When the daemon's first process began, Unix time.",
        min,
    ),
)


BY_NAME = {metric.name: metric for metric in METRICS}
"""The metrics by name."""


def sampleName(key: str) -> str:
    """
    The name of a number with its labels, as Prometheus writes it.

    @param key: See L{keyOf}.
    """
    metric = BY_NAME[metricOf(key)]
    pairs = zip(metric.labels, labelsOf(key), strict=True)
    labels = ",".join(f"{label}={json.dumps(value)}" for label, value in pairs)
    return f"{metric.name}{{{labels}}}" if labels else metric.name
