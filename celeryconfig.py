"""How tasks travel, and when they are due. Each choice was found by breaking the others."""

from datetime import timedelta

from celery.schedules import crontab
from kombu.entity import Exchange, Queue
from kombu.transport import TRANSPORT_ALIASES

from worker.broker.envelope import EXCHANGE
from worker.config.settings import load
from worker.notify.channels import channels
from worker.repository.behalf import Asker
from worker.runs.operations import OPERATIONS, QUEUES, STREAM

_settings = load()
_every_hours = _settings.backup_every_hours

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
task_routes |= {"worker.tasks.visit": {"queue": STREAM}, "worker.tasks.seal": {"queue": "jobs"}}

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
task_annotations["worker.tasks.visit"] = {"soft_time_limit": 120, "time_limit": 150}
task_annotations["worker.tasks.watch"] = {"soft_time_limit": 50, "time_limit": 80}
# Longer than everything that it waits for together.
task_annotations["worker.tasks.notify"] = {"soft_time_limit": 180, "time_limit": 200}

worker_hijack_root_logger = False
timezone = _settings.tz

beat_schedule = {
    "daily": {
        "task": "worker.tasks.backup",
        "schedule": crontab(hour=_settings.backup_daily_at.hour, minute=_settings.backup_daily_at.minute),
        "options": {"headers": {"asked_by": str(Asker("beat", "daily"))}},
    },
    # A promise of freshness: it looks often, and does nothing while a young enough backup exists.
    "interval": {
        "task": "worker.tasks.backup",
        "schedule": timedelta(seconds=max(1, min(3600, _every_hours * 3600 / 24))),
        # A little more than it says, so that it never races the daily backup of the same moment.
        "kwargs": {"unless_younger_than_hours": _every_hours * 1.02},
        "options": {"headers": {"asked_by": str(Asker("beat", "interval"))}},
    },
    # So that the dashboard knows whether the source can be reached.
    "stats": {
        "task": "worker.tasks.stats",
        "schedule": timedelta(minutes=5),
        "options": {"headers": {"asked_by": str(Asker("beat", "stats"))}, "ignore_result": True},
    },
    # Somebody hears of what is wrong, and of what is over.
    "watch": {"task": "worker.tasks.watch", "schedule": timedelta(minutes=1), "options": {"expires": 60}},
    # A run that was killed is known as such within 90 seconds: its lease runs out after 60.
    "reap": {"task": "worker.tasks.reap", "schedule": timedelta(seconds=20), "options": {"expires": 20}},
}
if _settings.backup_stream_seconds:
    # One that nobody has taken when the next is due is not worth taking.
    beat_schedule["visit"] = {
        "task": "worker.tasks.visit",
        "schedule": timedelta(seconds=_settings.backup_stream_seconds),
        "options": {"expires": max(1.0, _settings.backup_stream_seconds), "ignore_result": True},
    }
    # What could not go into storage when its hour was over.
    beat_schedule["seal"] = {
        "task": "worker.tasks.seal",
        "schedule": timedelta(minutes=5),
        "options": {"expires": 300, "ignore_result": True},
    }
if _settings.drill_every_days:
    # What is due is known by the notes beside the backups.
    beat_schedule["drills"] = {
        "task": "worker.tasks.drills",
        "schedule": timedelta(minutes=30),
        "options": {"expires": 1800},
    }
if channels(_settings):
    # Whatever could not be brought there before, and what nobody was called for.
    beat_schedule["notify"] = {
        "task": "worker.tasks.notify",
        "schedule": timedelta(minutes=1),
        "options": {"expires": 60},
    }
if _settings.backup_copies:
    # What was missed while the broker or a storage was away is made up for.
    beat_schedule["copies"] = {
        "task": "worker.tasks.catch_up",
        "schedule": timedelta(minutes=5),
        "options": {"expires": 300},
    }
