"""How tasks travel, and when they are due. Each choice was found by breaking the others."""

from datetime import timedelta

from kombu.entity import Exchange, Queue
from kombu.transport import TRANSPORT_ALIASES

from worker.broker.envelope import EXCHANGE
from worker.config.settings import load
from worker.runs.operations import OPERATIONS, QUEUES, STREAM
from worker.timetable import timetable

_settings = load()

# By name, so that rediss:// keeps its certificates: kombu looks at the scheme for that.
TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), "worker.broker.transport:Transport"))
broker_url = _settings.celery_broker_url
result_backend = _settings.celery_result_backend
include = ["worker.tasks", "worker.lifecycle"]

# Each queue is bound by its own name: with Celery's default of one shared key, all would get every message.
_exchange = Exchange(EXCHANGE)  # type: ignore[no-untyped-call]
task_queues = [Queue(name, _exchange, routing_key=name) for name in (*QUEUES, STREAM)]  # type: ignore[no-untyped-call]
task_default_queue = task_default_routing_key = "jobs"
task_default_exchange = EXCHANGE
# A dashboard never waits behind an hour of backup, and what looks after runs and storage never behind a question. By
# name, so that `celery call` is routed as well.
task_routes = {one.task: {"queue": one.queue} for one in OPERATIONS.values() if one.queue}
_of_beat = ("reap", "catch_up", "drills", "notify", "watch")
task_routes |= {f"worker.tasks.{name}": {"queue": "quick"} for name in _of_beat}
task_routes |= {f"worker.tasks.{name}": {"queue": STREAM} for name in ("visit", "listen")}
task_routes |= {"worker.tasks.seal": {"queue": "jobs"}}

# JSON only: whoever reaches the broker must not be able to hand us objects.
task_serializer = result_serializer = "json"
accept_content = result_accept_content = ["json"]
worker_enable_remote_control = False
worker_consumer = "worker.consumer:Consumer"

# Taken off the queue when it starts, one at a time: a long job is then never handed out twice.
task_acks_late = False
worker_disable_prefetch = True
worker_prefetch_multiplier = 1
# Our own runs say what has started: Celery would store it before our code is reached, and where its result Redis is
# away the task would end before it began.
task_track_started = False
broker_connection_retry_on_startup = True
# Not often: a task that is handed to a process which is just ending waits five seconds for the next one.
worker_max_tasks_per_child = 500

_timeouts = {"socket_connect_timeout": 3, "socket_timeout": 5}
broker_transport_options = {"visibility_timeout": 86400, **_timeouts}
result_backend_transport_options = {"retry_policy": {"timeout": 5.0}, **_timeouts}
redis_socket_connect_timeout, redis_socket_timeout = 3, 5
result_backend_always_retry = True
result_backend_max_retries = 3
result_expires = timedelta(days=7)
task_publish_retry_policy = {"max_retries": 2, "interval_start": 0.1, "interval_step": 0.2, "interval_max": 0.5}

task_soft_time_limit = timedelta(hours=12).total_seconds()
task_time_limit = task_soft_time_limit + 300
_question = {"soft_time_limit": _settings.question_minutes * 60, "time_limit": _settings.question_minutes * 60 + 60}
task_annotations = {one.task: _question for one in OPERATIONS.values() if one.queue == "questions"}
# Who looks what is wrong must not keep others waiting for a storage that is slow.
for _name in ("visit", "listen"):
    task_annotations[f"worker.tasks.{_name}"] = {"soft_time_limit": 120, "time_limit": 150}
task_annotations["worker.tasks.watch"] = {"soft_time_limit": 50, "time_limit": 80}
# Longer than everything that it waits for together.
task_annotations["worker.tasks.notify"] = {"soft_time_limit": 180, "time_limit": 200}

worker_hijack_root_logger = False
timezone = _settings.tz

beat_schedule = timetable(_settings)
beat_scheduler = "worker.beat:Scheduler"
