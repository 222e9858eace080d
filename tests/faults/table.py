"""The table of faults: what goes wrong, what is promised then, and the tests that try it; docs/reliability.md is written from it.

`make reliability` runs those tests and writes the document anew (results.py).
"""

from dataclasses import dataclass

from tests.faults.messages import MESSAGES


@dataclass(frozen=True)
class Row:
    """One fault, by its part of the table."""

    part: str
    fault: str
    promise: str
    tests: tuple[str, ...]
    """Each as `file::test`, both below tests/."""


def _rows(part: str, *rows: tuple[str, str, str]) -> list[Row]:
    return [Row(part, fault, promise, tuple(tests.split())) for fault, promise, tests in rows]


TABLE = [
    *_rows(
        "Killed and stopped",
        (
            "kill -9 of a worker's child",
            "a backup: nothing is listed, and it is made once more; a restore: interrupted, with its counts, and not begun again by itself",
            "runs/test_tasks.py::test_a_killed_child_leaves_nothing_that_is_listed_and_its_backup_is_made_once_more "
            "runs/test_killed_runs.py::test_a_restore_whose_process_is_killed_is_interrupted_and_says_how_far_it_came "
            "runs/test_lost_runs.py::test_a_backup_that_is_killed_twice_is_left_to_people",
        ),
        (
            "kill -9 of a whole worker",
            "its lock is free at once, its backup is made once more by the next, its restore is not",
            "runs/test_killed_runs.py::test_a_worker_that_is_killed_outright_is_noticed_by_the_next_and_its_backup_made_once_more "
            "runs/test_killed_runs.py::test_a_restore_whose_worker_is_killed_outright_is_not_made_up_for "
            "faults/test_leftovers.py::test_what_a_killed_worker_left_is_gone_with_the_next",
        ),
        (
            "kill -9 of a restore, a mirror or an undo at any moment",
            "the next one completes it, or it is undone; no target stays a replica of ours",
            "faults/test_mirrors_by_keys.py::test_our_process_is_killed_at_any_moment "
            "restore/mirror/test_mirror_faults.py::test_our_process_is_killed "
            "restore/mirror/test_whole.py::test_our_process_is_killed "
            "restore/undo/test_killed_undos.py::test_a_restore_that_was_killed_is_undone "
            "restore/undo/test_killed_undos.py::test_an_undo_that_was_killed_is_completed_by_the_next "
            "faults/test_undo_faults.py::test_our_process_is_killed",
        ),
        (
            "kill -9 at each fsync, link, rename, unlink and write of a backup, prune, deletion, copy, restore or undo",
            "what is listed is whole and as it was, nothing is readable without its key, the same once more completes it, and a prune leaves nothing else",
            "faults/test_killed_calls.py::test_a_verb_that_is_killed_at_a_call_leaves_all_whole_and_is_completed_by_the_next "
            "faults/test_killed_calls.py::test_at_every_call_a_verb_can_be_killed "
            "storage/test_killed_steps.py::test_a_run_killed_at_any_step_leaves_a_whole_backup_or_nothing "
            "storage/test_killed_steps.py::test_a_deletion_killed_at_any_step_is_ended_by_the_next_prune "
            "storage/test_killed_steps.py::test_notes_written_by_a_run_that_is_killed_are_the_old_or_the_new "
            "faults/test_killed_prunes.py::test_a_prune_whose_process_is_killed_leaves_nothing_half_deleted_in_the_list",
        ),
        (
            "kill -9 at each request to a bucket, and of what speaks to a server of files",
            "it is listed whole or not at all, and the next one completes it",
            "storage/test_killed_uploads.py::test_whoever_is_killed_leaves_nothing_half "
            "copies/test_killed_copies.py::test_a_copy_that_was_killed_is_completed_by_the_next "
            "storage/test_sftp_faults.py::test_kill_9_of_who_writes_ends_rclone_too_and_a_day_later_nothing_is_left "
            "storage/test_webdav.py::test_kill_9_of_rclone_in_the_middle_shows_nothing_half",
        ),
        (
            "SIGTERM and Ctrl-C, with time and with too little",
            "a worker finishes what it is at; a verb of the shell ends with exact counts; what was killed after all is made up for as above",
            "runs/test_killed_runs.py::test_a_worker_that_is_told_to_end_finishes_its_backup_first "
            "faults/test_cut_reports.py::test_a_restore_that_is_stopped_tells_exactly_what_it_did "
            "faults/test_cut_reports.py::test_an_undo_that_is_stopped_tells_exactly_what_it_did "
            "backups/test_stopped_prunes.py::test_a_shell_that_is_stopped_tells_it_and_so_does_its_run",
        ),
    ),
    *_rows(
        "Broker, messages, locks",
        (
            "the broker is away, stands still, or trickles",
            "the job goes on, one run, the right end; the dashboard answers 503 in time, and lists and downloads without it",
            "runs/test_runs_of_workers.py::test_a_backup_goes_on_while_the_broker_is_away_and_its_end_is_told "
            "runs/test_last_word.py::test_an_end_that_the_broker_did_not_take_is_told_again "
            "faults/test_frozen_workers.py::test_a_broker_that_is_frozen_for_longer_than_the_lease_is_waited_for "
            "faults/test_slow_peers.py::test_a_broker_that_trickles_is_not_waited_for "
            "web/api/test_without_a_broker.py::test_without_a_broker_nothing_is_asked_for_and_that_is_told_in_time "
            "web/api/test_without_a_broker.py::test_a_broker_that_freezes_between_two_words_is_given_up_in_time_too",
        ),
        (
            "the broker is full",
            "no lock and no session is lost, and it is said where people look",
            "broker/test_lock.py::test_a_broker_that_is_full_takes_no_lock_away "
            "broker/test_broker.py::test_whoever_was_in_stays_in_while_the_broker_is_full "
            "broker/test_broker.py::test_that_the_broker_is_full_is_said_where_people_and_machines_look",
        ),
        (
            "the broker is emptied, or taken back to an earlier state",
            "whoever holds a lock keeps it or writes nothing more; what runs is known again",
            "broker/test_lock.py::test_a_broker_that_has_lost_its_memory_takes_nothing_away "
            "broker/test_lock.py::test_a_broker_that_was_taken_back_to_an_earlier_state_takes_nothing_away "
            "runs/test_lost_runs.py::test_a_broker_that_lost_its_memory_learns_of_a_run_together_with_its_lease",
        ),
        (
            "the Redis of results is away",
            "no job fails or waits for it",
            "runs/test_tasks.py::test_a_result_backend_that_dies_meanwhile_fails_no_backup "
            "runs/test_runs_of_workers.py::test_a_job_runs_while_the_redis_of_results_is_away",
        ),
        (
            "the same message three times; a message that is lost",
            "one run; what was lost is queued again (a backup) or said",
            "runs/test_runs_of_workers.py::test_a_message_that_is_delivered_three_times_makes_one_backup "
            "runs/test_lost_runs.py::test_what_was_lost_before_it_began_is_asked_for_again_or_told",
        ),
        (
            "two jobs on one source, target or storage",
            "the second waits, or says who is at work",
            "runs/test_runs_of_workers.py::test_a_backup_that_finds_another_at_work_waits_for_it "
            "broker/test_lock.py::test_whoever_comes_second_is_told_who_is_at_work "
            "storage/test_storage.py::test_a_file_that_is_being_read_survives_its_deletion "
            "copies/test_copy_faults.py::test_of_two_that_copy_at_once_one_does_nothing "
            "copies/test_copies_side_by_side.py::test_two_workers_at_one_copy_make_it_once",
        ),
        (
            "whoever holds a lock stands still for longer than its lease",
            "it has lost: it commits nothing, and touches nothing any more",
            "broker/test_lock.py::test_whoever_stood_still_for_longer_than_its_lease_has_lost "
            "runs/test_lost_runs.py::test_whoever_was_taken_for_dead_is_told_at_the_end "
            "faults/test_frozen.py::test_a_frozen_restore_goes_on_and_touches_nothing "
            "faults/test_frozen.py::test_a_frozen_undo_goes_on_and_touches_nothing "
            "faults/test_frozen.py::test_a_frozen_mirror_by_replication_goes_on_and_touches_nothing "
            "faults/test_frozen.py::test_a_frozen_backup_goes_on_and_commits_nothing "
            "faults/test_frozen.py::test_a_frozen_prune_goes_on_and_deletes_nothing "
            "faults/test_frozen_workers.py::test_a_restore_of_the_queue_goes_on_and_touches_nothing "
            "faults/test_frozen_workers.py::test_an_undo_of_the_queue_goes_on_and_touches_nothing "
            "faults/test_frozen_workers.py::test_a_backup_of_the_queue_is_made_up_for_and_goes_on_and_commits_nothing "
            "copies/test_copy_faults.py::test_who_lost_the_lock_writes_nothing_more",
        ),
    ),
    *_rows(
        "Clocks and schedules",
        (
            "what is chosen of the schedule cannot be read, or is lost",
            "the last good choices count, and it is said; who knows of none prunes nothing; beat goes on",
            "schedule/test_choices.py::test_garbage_counts_for_nothing_and_the_last_good_choices_do "
            "schedule/test_choices.py::test_a_broker_that_has_lost_its_data_has_nobody_keep_less "
            "schedule/test_followed.py::test_a_worker_that_runs_keeps_as_many_as_are_chosen_and_never_fewer_because_of_garbage "
            "schedule/test_followed.py::test_a_worker_that_has_never_read_the_choices_deletes_nothing "
            "schedule/test_followed.py::test_beat_goes_on_by_what_it_knew_while_nobody_can_tell",
        ),
        (
            "two beats; beat away over its slot, its file lost",
            "one backup for each slot, made up for once",
            "runs/test_runs_of_workers.py::test_of_two_beats_one_makes_the_backup "
            "runs/test_beat.py::test_a_slot_that_was_missed_is_made_up_for_when_beat_starts",
        ),
        (
            "the clock changes for summer and winter",
            "one backup for each day",
            "faults/test_clock_changes.py::test_each_day_around_a_change_of_the_clock_has_one_backup "
            "backups/test_schedule.py::test_every_day_of_a_year_has_exactly_one_run",
        ),
        (
            "the clock jumps ahead, and back",
            "what is dated in the future is kept and counts for nothing; backups and prunes go on; neither the trash nor an undo is emptied early",
            "backups/test_wrong_clock.py::test_a_machine_whose_clock_was_a_day_ahead_goes_on_when_it_is_right_again "
            "backups/test_wrong_clock.py::test_pruning_goes_on_and_leaves_what_is_dated_in_the_future "
            "backups/test_prune.py::test_a_backup_in_the_future_is_kept_and_pushes_out_nothing "
            "backups/test_trash.py::test_a_clock_that_is_set_forward_empties_no_trash "
            "backups/test_retention.py::test_a_clock_that_jumps_ahead_gives_up_no_undo_with_the_first_backup "
            "broker/test_lock.py::test_a_suspended_machine_has_stood_still",
        ),
        (
            "the target's clock is another",
            "whether a key has expired is for the target to say",
            "faults/test_target_clocks.py::test_whether_a_key_has_expired_is_for_the_targets_clock_to_say",
        ),
    ),
    *_rows(
        "Sources",
        (
            "it is killed, restarted, or its child is",
            "failed in words, or read key by key and said; nothing half is listed",
            "engines/test_replication.py::test_a_server_that_is_killed_while_it_sends_leaves_no_backup "
            "engines/test_scan.py::test_a_server_that_is_killed_leaves_no_backup "
            "engines/test_typed.py::test_a_server_that_dies_meanwhile_is_unavailable "
            "engines/test_snapshot_failures.py::test_auto_reads_key_by_key_where_a_snapshot_fails_and_says_so "
            "faults/test_short_scans.py::test_a_source_that_is_restarted_between_two_databases_gives_no_good_backup",
        ),
        (
            "it loads its data; a replica's link is down; a snapshot is under way",
            "not read, or waited for, and said",
            "faults/test_sources.py::test_a_source_that_is_loading_is_not_read "
            "faults/test_sources.py::test_a_source_that_loads_anew_in_the_middle_gives_no_half_backup "
            "faults/test_sources.py::test_a_replica_whose_link_is_down_is_not_read "
            "engines/test_replication.py::test_a_server_with_a_snapshot_under_way_is_waited_for",
        ),
        (
            "FLUSHALL while it is read",
            "what was read is kept as partial, is no success and counts for nothing",
            "faults/test_short_scans.py::test_what_is_read_while_the_source_loses_its_data_is_kept_and_is_no_success "
            "faults/test_short_scans.py::test_a_partial_backup_counts_for_nothing",
        ),
        (
            "a password, a right or TLS is wrong, or changes in the middle",
            "failed in the server's words; without PSYNC read by SCAN, and said",
            "faults/test_sources.py::test_a_user_who_is_changed_in_the_middle_gives_a_whole_backup_or_the_servers_words "
            "engines/test_contract.py::test_a_user_who_may_not_replicate_gets_a_scan "
            "engines/test_contract.py::test_a_wrong_password_is_said_in_plain_words "
            "engines/test_contract.py::test_a_certificate_that_nobody_vouches_for_is_refused "
            "faults/test_sources.py::test_a_connection_over_tls_that_is_cut_leaves_nothing",
        ),
        (
            "keys come, go, change and expire while it is read",
            "each that stays is there once, and nothing is called damaged",
            "engines/test_scan.py::test_every_key_that_stays_is_there_once_while_the_table_grows_and_shrinks "
            "engines/test_typed.py::test_keys_that_come_go_and_change_under_our_eyes_do_no_harm "
            "faults/test_short_scans.py::test_an_application_at_work_is_no_reason_for_alarm",
        ),
    ),
    *_rows(
        "The network",
        (
            "cut, half-open, silent, one byte a second",
            "each wait has an end, in words and with counts",
            "faults/test_silent_peers.py::test_a_source_that_falls_silent_in_the_middle_is_left "
            "faults/test_silent_peers.py::test_a_target_that_falls_silent_in_the_middle_is_left_and_the_next_restore_completes_it "
            "faults/test_slow_peers.py::test_a_backup_from_a_source_that_trickles_ends_and_lists_nothing "
            "faults/test_slow_peers.py::test_a_restore_into_a_target_that_trickles_ends_and_says_how_far_it_came "
            "faults/test_slow_peers.py::test_a_minute_is_a_minute_and_the_shell_says_why "
            "faults/test_idle_proxies.py::test_a_backup "
            "faults/test_idle_proxies.py::test_a_preview_and_a_restore",
        ),
        (
            "a flipped bit in what a server answers",
            "asked for again, or the key is named and nothing listed; never a good backup of other data",
            "faults/test_damaged_replies.py::test_a_scan_asks_again_for_a_payload_that_came_damaged "
            "faults/test_damaged_replies.py::test_a_scan_names_the_key_that_comes_damaged_each_time_and_lists_nothing "
            "faults/test_damaged_replies.py::test_no_flipped_bit_of_a_scan_gives_a_good_backup_of_other_data "
            "faults/test_damaged_replies.py::test_what_is_kept_for_an_undo_is_what_was_there "
            "faults/test_damaged_samples.py::test_the_sample_of_a_typed_backup_heals_what_came_damaged_once",
        ),
        (
            "garbage for a server, a broker's message or an error",
            "an error of ours, in words",
            "server/test_connection.py::test_garbage_is_an_error_of_ours "
            "broker/test_garbage.py::test_no_garbage_ends_a_worker_comes_again_or_is_told",
        ),
    ),
    *_rows(
        "Disks and storages",
        (
            "ENOSPC, EIO, EFBIG at every tenth write; fsync, link, rename and unlink fail",
            "one sentence; what was listed is whole and as it was; the next try completes it",
            "faults/test_failing_calls.py::test_a_call_that_fails_leaves_all_whole_and_the_next_try_completes_it "
            "faults/test_failing_calls.py::test_every_tenth_write_fails "
            "faults/test_failing_calls.py::test_from_some_call_on_all_fail "
            "storage/test_full_disks.py::test_a_disk_that_fails_leaves_nothing "
            "storage/test_full_disks.py::test_a_file_that_may_not_grow_leaves_nothing_of_a_backup",
        ),
        (
            "the disk is full, or read-only",
            "refused beforehand where it plainly does not fit; else what was there stays; an empty target is restored all the same",
            "storage/test_full_disks.py::test_a_full_disk_leaves_what_was_there_and_nothing_else "
            "storage/test_full_disks.py::test_a_disk_with_plainly_too_little_room_is_refused_at_once "
            "cli/test_bad_storage.py::test_a_read_only_folder_stays_as_it_is "
            "faults/test_read_only_storage.py::test_a_restore_into_an_empty_target_needs_no_undo "
            "faults/test_read_only_storage.py::test_what_is_there_is_touched_by_no_restore_that_could_not_keep_it "
            "faults/test_undo_faults.py::test_there_is_no_room_for_what_waits_on_disk",
        ),
        (
            "a bucket says 403, 429, 500 or 503, hangs, resets in the middle, or loses what it took",
            "tried again within bounds, then failed; uploads in parts are ended, and nothing is listed",
            "storage/test_bad_lines.py::test_what_passes_is_outlived_at_every_request_and_a_backup_is_whole "
            "storage/test_bad_lines.py::test_what_stays_ends_a_backup_in_a_sentence_and_nothing_half_is_listed "
            "storage/test_bad_lines.py::test_a_hang_has_an_end "
            "storage/test_remote_drafts.py::test_an_upload_that_has_not_arrived_is_tried_once_more "
            "copies/test_copy_faults.py::test_what_goes_wrong_at_any_request_leaves_nothing_half_and_the_next_try_completes_it",
        ),
        (
            "the storage of the copies is away",
            "the backup is good, and the copy made up for",
            "copies/test_copies_by_workers.py::test_what_was_missed_while_the_storage_was_away_is_made_up_for "
            "copies/test_copies_kept.py::test_nothing_goes_from_home_while_another_storage_cannot_be_looked_into",
        ),
        (
            "the broker is lost in the middle of a copy",
            "the copy goes on or is tried again, and nothing half is listed",
            "copies/test_copies_side_by_side.py::test_a_broker_that_goes_away_in_the_middle_of_a_copy_costs_no_copy",
        ),
    ),
    *_rows(
        "The replication stream",
        (
            "kill -9 of a visit at each write, fsync, link, rename, unlink; ENOSPC and EIO in their place",
            "the next visit goes on where whole frames end: nothing is lost, nothing is there twice",
            "faults/test_stream_faults.py::test_a_visit_that_is_killed_loses_nothing "
            "faults/test_stream_faults.py::test_a_visit_can_be_killed_at_every_call "
            "faults/test_stream_faults.py::test_a_disk_that_fails_a_visit_loses_nothing "
            "segments/test_growing.py::test_whatever_a_killed_visit_left_is_cut_off",
        ),
        (
            "the source writes more than its backlog holds, or begins another history",
            "the gap is told, a new stretch begins, no moment within it is offered, and no snapshot is caused",
            "segments/test_visits.py::test_after_a_gap_a_new_stretch_begins_and_no_moment_lies_in_between "
            "segments/test_visits.py::test_a_restart_without_its_history_is_a_gap "
            "segments/test_visits.py::test_no_visit_makes_the_source_fork",
        ),
        (
            "a failover; the source is frozen; our clock is days off",
            "the stream goes on; the visit is given up and the next one goes on; moments are by the source's clock",
            "segments/test_visits.py::test_a_replica_that_was_promoted_goes_on "
            "faults/test_stream_faults.py::test_a_source_that_is_frozen_is_left_and_asked_again "
            "faults/test_stream_faults.py::test_a_clock_of_ours_that_is_wrong_makes_no_wrong_moment",
        ),
        (
            "kill -9 while a moment is made; the base or a segment is changed; a command is unknown, fails, or is cut short",
            "no moment is seen that is not whole, no server stays, and the next one who asks makes it, or is told why not",
            "faults/test_moment_faults.py::test_whoever_makes_a_moment_is_killed "
            "faults/test_moment_faults.py::test_what_it_is_made_of_has_changed "
            "segments/playing/test_made.py::test_nothing_is_left_of_one_that_fails_or_is_cancelled "
            "segments/playing/test_play.py::test_a_command_that_the_server_does_not_know_is_named_without_its_arguments "
            "segments/playing/test_play.py::test_a_command_that_fails_is_no_moment "
            "segments/playing/test_play.py::test_one_that_is_cut_short_is_said_to_be",
        ),
    ),
    *_rows(
        "Damaged and foreign files",
        (
            "bits flipped at 500 positions and files cut everywhere, in each format",
            "verify says so, and a restore refuses before it touches the target",
            "faults/test_flipped_bits.py::test_a_backup_of_which_a_bit_flipped_or_an_end_is_missing_is_refused "
            "faults/test_flipped_bits.py::test_of_each_format_flips_everywhere_are_refused "
            "formats/rdb/test_rdb.py::test_a_file_with_a_flipped_bit_is_refused "
            "formats/rdb/test_rdb.py::test_a_file_that_is_cut_anywhere_is_refused "
            "formats/test_compression.py::test_a_flipped_bit_is_an_error_or_changes_nothing "
            "formats/test_encryption.py::test_a_flipped_bit_is_an_error "
            "faults/test_portable_damage.py::test_a_flipped_bit_is_refused_and_nothing_is_touched",
        ),
        (
            "a file that is longer, empty, swapped, missing, or a link",
            "named as that, and nothing is written",
            "restore/test_broken_backups.py::test_what_is_broken_is_refused_before_anything_is_written "
            "backups/test_verify.py::test_what_is_wrong_with_the_bytes_is_named",
        ),
        (
            "any bit of a manifest, or any of its bytes",
            "noticed by list, verify and restore alike; never pruned, and put right where that can be done",
            "repository/test_signatures.py::test_each_bit_of_a_signed_manifest_counts_and_so_does_each_byte_that_is_cut "
            "repository/test_manifest.py::test_every_bit_that_flips_is_noticed_by_list_verify_and_restore_alike "
            "repository/test_manifest.py::test_a_damaged_one_is_never_pruned_and_pushes_nothing_out "
            "backups/test_prune.py::test_prune_deletes_nothing_while_the_newest_backup_is_damaged "
            "backups/test_repair.py::test_one_bit_that_flipped_is_put_right_exactly",
        ),
        (
            "a manifest that somebody wrote",
            "not trusted, and said",
            "repository/test_signatures.py::test_whoever_makes_the_digest_right_again_has_forged_it "
            "restore/test_broken_backups.py::test_a_number_of_stored_bytes_that_was_spoofed_is_refused",
        ),
        (
            "bombs, absurd lengths, deep documents, files changed with their checksum put right",
            "only an error of ours, within seconds and the bound of memory",
            "faults/test_bombs.py::test_a_foreign_file_that_grows_is_refused "
            "faults/test_bombs.py::test_a_backup_that_grows_is_refused "
            "backups/test_adopt.py::test_a_bomb_is_refused_within_bounded_memory_and_leaves_nothing "
            "formats/rdb/test_rdb.py::test_a_claim_of_more_bytes_than_there_are_costs_nothing "
            "formats/test_any_document.py::test_a_changed_document_is_read_or_refused_in_plain_words "
            "formats/rdb/test_mutated_files.py::test_a_changed_file_is_what_a_server_makes_of_it_or_refused",
        ),
        (
            "a newer RDB, a module's type, an unknown part",
            "a backup keeps the bytes; whoever cannot read them says what and where",
            "formats/rdb/test_rdb.py::test_an_unknown_type_is_named_where_values_are_wanted "
            "formats/rdb/test_rdb.py::test_an_unknown_part_between_keys_ends_the_walk_like_an_unknown_type "
            "formats/rdb/test_values.py::test_a_modules_value_is_kept_whole "
            "repository/test_sound.py::test_a_whole_file_with_what_nobody_knows_is_not_called_cut",
        ),
    ),
    *_rows(
        "Targets",
        (
            "full; evicting; too small for a mirror",
            "refused beforehand where it does not fit; else stopped with exact counts, and none of its own keys is lost unless it is forced",
            "faults/test_room.py::test_not_one_key_of_its_own_is_lost "
            "faults/test_room.py::test_a_restore_stops_once_the_target_has_thrown_a_key_out "
            "restore/test_unfit_targets.py::test_a_target_with_too_little_memory_is_refused_beforehand "
            "restore/test_unfit_targets.py::test_a_target_that_runs_full_stops_with_exact_counts_and_the_next_run_completes_it "
            "faults/test_room_of_mirrors.py::test_a_mirror_that_the_target_could_not_hold_is_refused",
        ),
        (
            "a read-only replica, a node of a cluster, too few databases, loading",
            "refused before anything is written",
            "restore/test_unfit_targets.py::test_a_read_only_replica_is_refused "
            "restore/test_unfit_targets.py::test_a_node_of_a_cluster_is_refused "
            "restore/test_unfit_targets.py::test_a_target_with_too_few_databases_is_refused "
            "faults/test_targets.py::test_a_target_that_loads_anew_in_the_middle",
        ),
        (
            "killed, cut off or refusing in the middle; emptied by others",
            "exactly as many keys are there as it says, and the second run completes it",
            "restore/test_cut_short.py::test_a_target_that_is_killed_midway_is_told_with_counts_and_the_second_run_completes_it "
            "faults/test_cut_reports.py::test_of_a_cut_restore_as_many_keys_are_there_as_it_says "
            "faults/test_cut_reports.py::test_a_flush_meanwhile_is_told_with_what_is_gone "
            "faults/test_refusals_midway.py::test_a_restore_ends_with_what_to_do_and_exact_counts "
            "faults/test_refusing_targets.py::test_what_every_further_key_would_meet_ends_a_restore "
            "faults/test_undo_faults.py::test_the_target_is_killed "
            "restore/mirror/test_mirror_faults.py::test_the_target_is_killed",
        ),
        (
            "being written to by others",
            "nothing that they wrote is lost to a backup that goes in as one file; what others changed since is left alone by an undo, and named",
            "restore/mirror/test_whole.py::test_what_others_write_until_it_takes_no_writes_any_more_is_not_lost "
            "restore/undo/test_theirs.py::test_what_others_have_changed_since_is_left_alone_and_named "
            "restore/preview/test_as_previewed.py::test_a_target_that_has_changed_since_is_refused_unless_forced",
        ),
        (
            "keys that expire between backup and restore",
            "counted, never brought back, and the live one of that name is not deleted",
            "restore/test_restore.py::test_a_key_that_has_expired_since_is_counted_and_the_live_one_untouched "
            "restore/mirror/test_mirror.py::test_keys_that_have_expired_since_are_not_there_and_neither_are_live_ones_of_their_name",
        ),
    ),
    *_rows(
        "Retention and downloads",
        (
            "no backups, only failed ones, odd names, other people's files",
            "the last good one is never given up, nothing without a manifest is touched, and a dry run says what the real one does",
            "backups/test_retention.py::test_the_last_one_never_goes "
            "backups/test_retention.py::test_whatever_there_is_the_last_good_one_of_each_who_makes_some_stays "
            "storage/test_killed_steps.py::test_other_peoples_files_are_never_touched "
            "backups/test_prune.py::test_a_dry_run_says_what_the_real_one_does",
        ),
        (
            "clients that leave, ask for parts, come ten at a time; a file that is not what it was",
            "flat memory, no leak, the right answer",
            "web/api/test_downloads.py::test_ten_at_once_get_it_at_flat_memory_and_those_who_leave_are_forgotten "
            "web/api/test_downloads.py::test_a_part_beyond_the_end_cannot_be_had "
            "web/api/test_downloads.py::test_a_broken_download_goes_on_only_if_the_file_is_still_the_same "
            "web/api/test_downloads.py::test_a_file_that_is_not_what_its_manifest_says_is_not_given_out",
        ),
    ),
    *_rows("Messages", *MESSAGES),
    *_rows(
        "All at once",
        (
            "a soak: random faults of each kind above, by a seed, while backups, restores, undos, prunes, copies and drills go on and somebody hears of them",
            "I1 to I13",
            "soak/test_soak.py::test_a_minute_of_faults_breaks_no_promise",
        ),
    ),
]
