"""The part of the table of faults that is about who hears of it."""

MESSAGES = [
    (
        "kill -9 of what brings messages, or of its whole worker",
        "none is lost, and at most the one on its way comes twice, with the same id",
        "notify/test_deliver.py::test_who_is_killed_while_sending_loses_nothing "
        "notify/test_killed_workers.py::test_a_worker_that_is_killed_while_it_brings_messages_loses_none",
    ),
    (
        "a channel refuses, hangs up, or does not answer",
        "what is for it waits and comes later, and each other channel hears at once",
        "notify/test_deliver.py::test_what_was_not_taken_waits_and_comes_later "
        "notify/test_deliver.py::test_a_channel_that_is_away_keeps_no_other_from_hearing",
    ),
    (
        "the broker is away, refuses in between, or is emptied",
        "what waits is kept, or told once more; nothing is lost in silence",
        "notify/test_deliver.py::test_a_broker_that_was_away_has_kept_what_waits "
        "alerts/test_watch.py::test_what_the_broker_does_not_take_stays_until_it_does "
        "alerts/test_watch.py::test_a_broker_that_was_emptied_has_what_is_open_told_once_more_and_no_more",
    ),
    (
        "many look at what is wrong at once, or bring it at once",
        "each change is told once",
        "alerts/test_watch.py::test_of_many_who_look_at_once_one_tells_it "
        "notify/test_deliver.py::test_only_one_brings_it_at_a_time",
    ),
    (
        "a key whose name has quotes, line ends or marks of direction in it cannot be read",
        "the page names it; no message, alert or heartbeat does",
        "backups/test_outside.py::test_a_backup_that_cannot_read_a_key_names_it_here_and_nowhere_else "
        "notify/test_by_a_worker.py::test_who_listens_hears_of_a_backup_of_why_one_failed_and_of_a_trial",
    ),
]
"""As rows of the table: the fault, the promise, the tests."""
