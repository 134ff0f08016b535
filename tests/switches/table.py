"""Which test fails when a lock, a conflict check or a permission is removed.

What is added needs its line here.  Names of tests begin below `tests`.
"""

_THREADS = "switches.test_threads"

#: Module and function (or the lock of a module) -> the test that fails without each lock or check in it.
CALLS = {
    "countries/service.py CountrySet.__init__": f"{_THREADS}.Once.test_a_database_of_countries_is_opened",
    "durable.py locked_directory": "store.test_processes.Waiting.test_a_leaf",
    "events/streams/service.py EventStreams.__init__": f"{_THREADS}.NotForgotten."
    "test_a_stream_that_begins_while_others_end",
    "library/model/subtree.py LibrarySubtree.claim": "library.test_garbage.Races."
    "test_a_content_named_again_while_it_is_marked",
    "library/model/subtree.py LibrarySubtree.count_downloads": "library.test_counting.Counting."
    "test_nothing_is_counted_of_what_is_dropped_meanwhile",
    "library/quotas/rules.py _hold_still": "library.test_quotas.Races."
    "test_a_member_is_refused_what_another_takes_meanwhile",
    "library/quotas/rules.py _one_walk": f"{_THREADS}.Once.test_all_is_counted_for_quotas",
    "library/tokens/active_answers.py ActiveAnswers.__init__": f"{_THREADS}.Counted.test_active_answers",
    "library/upkeep/verifying.py VerifiedReads.__init__": f"{_THREADS}.Once.test_bytes_are_verified",
    "library/uploads/pieces.py Piece.__init__": f"{_THREADS}.Whole.test_a_piece_that_is_interrupted",
    "log_filters.py Rarely.__init__": f"{_THREADS}.Once.test_a_message_is_let_through",
    "machines/agent/controller.py Controller.lock": "machines.agent.test_controller.StatesFromTheService."
    "test_two_controllers_do_not_share_a_directory",
    "machines/scheduler/leases.py SteadyClock.__init__": f"{_THREADS}.Whole."
    "test_a_step_of_the_clock_between_two_looks",
    "mirrors/probing/control.py Controls._answered_since": f"{_THREADS}.Once.test_control_sites_are_asked",
    "naming/model.py _conflict_with_additions": "naming.test_races.Races."
    "test_a_folder_is_not_removed_that_gets_an_entry_meanwhile",
    "naming/model.py _conflict_with_writers": "naming.test_races.Races."
    "test_nothing_is_put_into_a_folder_that_is_removed_meanwhile",
    "operations/clocks.py Clocks.__init__": f"{_THREADS}.Once.test_clocks_are_compared",
    "people/credentials/failures.py MemoryCounts.__init__": f"{_THREADS}.Counted.test_failed_log_ins",
    "people/credentials/failures.py _wait_for": "people.test_throttle.SharedThrottling."
    "test_the_file_is_waited_for_while_another_process_has_it",
    "people/credentials/model.py Account.add_session": "people.test_credentials.Sessions."
    "test_none_begins_beside_a_change_of_password",
    "people/credentials/passwords.py CheckedLately.__init__": f"{_THREADS}.Whole."
    "test_what_is_remembered_of_passwords_is_bounded",
    "serving/http/file_lane.py FileLane.__init__": f"{_THREADS}.Fresh."
    "test_a_file_that_changes_while_the_lane_is_told_of_it",
    "serving/workers/folder.py _locked": "serving.test_folder.Folders."
    "test_the_next_server_removes_what_a_killed_one_has_left",
    "serving/workers/folder.py _locked_anew": "serving.test_folder.Folders."
    "test_the_next_server_removes_what_a_killed_one_has_left",
    "serving/wsgi/application.py Application.__init__": f"{_THREADS}.NotForgotten."
    "test_a_request_that_comes_while_a_thread_becomes_idle",
    "serving/wsgi/outgoing.py Outgoing.__init__": f"{_THREADS}.Whole."
    "test_an_answer_that_is_sent_while_it_grows",
    "spool/exchange/base.py Exchange._alone": "switches.test_files.Locks."
    "test_one_run_at_a_time_is_at_work_on_a_spool",
    "spool/model/reservation.py Reservation.__init__": "spool.test_writer.TestWriter."
    "test_two_writers_of_one_name",
    "store/cache/beside.py Beside.__init__": f"{_THREADS}.NotForgotten."
    "test_cache_work_that_comes_while_the_thread_ends",
    "store/cache/entries.py Entries._lock": "store.cache.test_local.Evicting."
    "test_only_one_process_evicts_at_a_time",
    "store/cache/fetching.py SoundEntries.__init__": f"{_THREADS}.Whole.test_what_was_hashed_is_remembered",
    "store/cache/local.py LocalCache.__init__": f"{_THREADS}.Counted.test_bytes_fetched_into_the_cache",
    "store/disk/files.py HeldFiles.move_to_quarantine": "store.test_processes.Waiting.test_a_leaf",
    "store/disk/files.py HeldFiles.publish": "store.test_processes.Waiting.test_a_leaf",
    "store/disk/incoming.py Incoming._clear_one": "store.test_disk.Incoming."
    "test_a_living_writer_keeps_its_file_however_old",
    "store/disk/incoming.py IncomingFile.__init__": "store.test_disk.Incoming."
    "test_a_writer_whose_file_was_cleared_before_it_got_the_lock_takes_another",
    "store/disk/marks.py _locked": "store.test_partials.OnDisk.test_one_writer_at_a_time",
    "store/disk/store.py DiskStore.join": "store.test_processes.Waiting.test_the_root",
    "store/disk/store.py DiskStore.remove": "store.test_processes.Waiting.test_a_leaf",
    "store/memory.py MemoryStore.__init__": f"{_THREADS}.Once.test_the_folder_of_partial_uploads_is_made",
    "store/moving/copying.py Copying.__init__": f"{_THREADS}.Counted.test_objects_moved",
    "store/moving/copying.py Copying.__init__ 2": f"{_THREADS}.Whole."
    "test_those_that_wait_pay_one_after_the_other",
    "store/room.py Room.changing": "store.test_room.Together.test_neither_change_is_lost",
    "store/room.py Room.recount": "store.test_room.Together."
    "test_a_change_while_the_sum_is_replaced_is_not_lost",
    "store/s3/breaker.py Breaker.__init__": f"{_THREADS}.Once.test_a_store_that_is_away_is_asked",
    "tracker/client/locks.py FcntlLockManager.FcntlLock._acquire": "tracker.client.test_locks.FcntlTests."
    "test_waiting_for_a_lock_that_is_deleted",
    "tracker/client/locks.py FcntlLockManager.FcntlLock._acquire 2": "tracker.client.test_locks.FcntlTests."
    "test_waiting_for_a_lock_that_is_deleted",
    "tracker/model.py TrackerSubtree._require_directories": "tracker.test_model.MeetingTests."
    "test_a_directory_becomes_a_file_while_another_is_put_in_it",
    "tree/engines/connections.py Uses.__init__": "tree.test_connections.Closing.test_a_session_is_waited_for",
    "tree/engines/freshness.py PolledFreshness.__init__": f"{_THREADS}.Once."
    "test_a_storage_is_asked_for_changes",
    "tree/engines/last_commit.py LastCommit.__init__": f"{_THREADS}.Whole."
    "test_a_number_that_is_shared_until_its_memory_is_closed",
    "tree/engines/last_commit.py LastCommit.raise_to": "tree.test_freshness.Number."
    "test_a_greater_one_that_is_written_meanwhile_stays",
    "tree/engines/last_commit.py _opened": "tree.test_freshness.Number.test_the_last_process_removes_it",
    "tree/engines/last_commit.py _remove_if_unused": "tree.test_freshness.Number."
    "test_the_last_process_removes_it",
    "tree/engines/postgresql.py PostgresEngine.__init__": f"{_THREADS}.Whole."
    "test_connections_that_are_made_while_all_are_broken_off",
    "tree/filestorage/crash_recovery.py repair": "library.test_treechecking.Checked.test_beside_a_server",
    "tree/filestorage/datafile.py DataFile.__init__": "switches.test_files.Locks."
    "test_one_process_puts_the_files_of_a_tree_right",
    "tree/together.py Together.__init__": f"{_THREADS}.NotForgotten."
    "test_a_transaction_that_is_asked_for_while_another_ends",
    "web/access_log/log_file.py LogFile.__init__": f"{_THREADS}.Whole."
    "test_a_line_is_logged_while_the_log_is_reopened",
}

_CLASSES = "attacks.test_classes.Classes"
_UTILITIES = "attacks.test_utilities.Utilities"

#: The test that fails when these permissions are granted to all -> the permissions.
PERMISSIONS = {
    f"{_CLASSES}.test_strangers": "Admin Edit EditTree View ViewQuota events.Hook machines.Edit machines.View"
    " mirrors.Probe mirrors.Register mirrors.Review mirrors.ViewLogs people.ViewEmail spool.Deliver"
    " spool.Exchange spool.View",
    f"{_UTILITIES}.test_strangers": "TrackerPrune TrackerRead TrackerWrite Upload"
    " UploadRestricted ViewRestricted",
    "attacks.test_privileges.Attempts.test_to_hear_of_the_events_of_others": "events.Listen",
}

#: The tests that fail when any name of a class, or of a utility, that needs a permission is open to all.
REQUIREMENTS = (f"{_CLASSES}.test_strangers", f"{_UTILITIES}.test_strangers")
