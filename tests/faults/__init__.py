"""The toolbox of faults, and the tests that carry them out: what breaks, when, in the middle of what, and what holds then.

A fault test is read as a table. Its rows are pytest parameters with readable ids, `(fault, moment, operation, promise)`:

    @pytest.mark.parametrize("moment", [Asked(b"DUMP"), Reply(b"DUMP", nth=3)], ids=str)
    @pytest.mark.parametrize("operation", [by_scan, by_types])
    def test_a_backup_whose_line_is_cut_lists_nothing(moment, operation, source, wire_to):
        line = wire_to(source)
        fault = line.cut(moment)
        ...  # the operation, through line.url
        assert fault.happened

What there is, each as a fixture that any test can ask for (fixtures.py):

- `wire_to(server)`: a `Line` (line.py, connection.py) to that server, where bytes are flipped, dropped, doubled,
  trickled, swallowed, held up, reworded, or cut, at a moment (moments.py): when the nth such command is on its way
  (`Asked`), before a byte of the nth reply to one (`Reply`), after so many bytes of answers (`After`), or at once (`NOW`).
- `freezer`: stops processes and has them go on (freezer.py), and waits until they really have.
- `strace`: a command under strace that fails, or is killed at, the nth such system call (programs.py).
- `faketime`: a command that believes in another time (programs.py).
- `impatient`: in this process sources and targets are waited for as if a minute were a few seconds.

A test asserts that its fault happened: one that has not come about proves nothing. The outcome is always the same: bounded
time, one plain sentence, exact counts, nothing half listed. Quick ones run always; sweeps are marked `slow`, but for
the first row of each `sweep` (sweeps.py).
"""
