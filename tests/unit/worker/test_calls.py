from padiff_worker.calls import CallLog


def run(log, *events):
    """Enters ("+path") and leaves ("-path") calls; returns what `enter` returned."""
    return [
        log.enter(event[1:], {}) if event[0] == "+" else log.leave(event[1:]) and None for event in events
    ]


def numbers(calls):
    return [(call.path, call.number) for call in calls if call is not None]


def test_calls_of_one_layer_are_numbered_in_order():
    log = CallLog()
    run(log, "+", "+a", "-a", "+a", "-a", "-")
    assert numbers(log.calls) == [("", 0), ("a", 0), ("a", 1)]


def test_the_innermost_path_is_the_call_that_has_not_ended():
    log = CallLog()
    run(log, "+", "+a", "+a.b")
    assert log.innermost_path == "a.b"
    run(log, "-a.b")
    assert log.innermost_path == "a"


def test_a_missing_exit_does_not_disturb_the_calls_around_it():
    log = CallLog()
    run(log, "+", "+a", "+a.b", "-", "+c")
    assert log.innermost_path == "c"


def test_an_exit_without_its_entry_is_ignored():
    log = CallLog()
    run(log, "+")
    assert log.leave("elsewhere") is None
    assert log.innermost_path == ""


def test_a_replay_repeats_the_call_of_its_own_segment():
    log = CallLog()
    # A block called twice; inside, a shared layer called twice each time.
    block = ("+block", "+s", "-s", "+s", "-s", "-block")
    run(log, "+", *block, *block, "-")
    log.begin_replays()
    last_first = run(log, *block) + run(log, *block)
    assert numbers(last_first) == [("block", 1), ("s", 2), ("s", 3), ("block", 0), ("s", 0), ("s", 1)]
    assert log.replays == 6
    assert len(log.calls) == 7


def test_a_replay_is_told_apart_by_the_tensors_it_was_given():
    log = CallLog()
    for number in (5, 7):
        log.enter("s", {}).slots["in.0"] = number
        log.leave("s")
    log.begin_replays()
    assert log.enter("s", {"in.0": 5}).number == 0


def test_a_replay_that_stopped_early_does_not_disturb_the_next():
    log = CallLog()
    run(log, "+", "+a", "+a.x", "-a.x", "-a", "+b", "+b.x", "-b.x", "-b", "-")
    log.begin_replays()
    again = run(log, "+b", "+b.x", "+a", "+a.x", "-a.x", "-a")
    assert numbers(again) == [("b", 0), ("b.x", 0), ("a", 0), ("a.x", 0)]


def test_a_call_in_backward_that_repeats_nothing_has_no_number():
    log = CallLog()
    log.begin_replays()
    assert log.enter("a", {}) is None
