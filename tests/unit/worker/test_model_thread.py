import threading

import pytest

from padiff_rpc.errors import WorkerLostError
from padiff_worker.model_thread import ModelThread, ScriptInterrupted


@pytest.fixture
def served():
    thread = ModelThread()
    runner = threading.Thread(target=thread.serve_forever)
    runner.start()
    yield thread, runner
    thread.stop()
    runner.join()


def test_jobs_run_on_the_serving_thread_and_return(served):
    thread, runner = served
    assert thread.call(threading.current_thread) is runner


def test_what_a_job_raises_reaches_the_caller_and_the_thread_goes_on(served):
    thread, _ = served
    with pytest.raises(ZeroDivisionError):
        thread.call(lambda: 1 / 0)
    assert thread.call(lambda: 3) == 3


def test_after_stop_jobs_are_refused(served):
    thread, runner = served
    thread.stop()
    runner.join()
    with pytest.raises(WorkerLostError):
        thread.call(lambda: 3)


def test_an_interrupt_during_a_job_ends_the_serving_and_the_job():
    thread = ModelThread()

    def interrupted():
        raise ScriptInterrupted

    future = thread.submit(interrupted)
    waiting = thread.submit(lambda: 3)
    with pytest.raises(ScriptInterrupted):
        thread.serve_forever()
    for one in (future, waiting):
        with pytest.raises(WorkerLostError):
            one.result(0)


def test_close_refuses_what_waits_where_nobody_serves():
    thread = ModelThread()
    future = thread.submit(lambda: 3)
    thread.close()
    with pytest.raises(WorkerLostError):
        future.result(0)


def test_an_interrupt_of_the_models_own_is_the_jobs_result(served):
    thread, _ = served

    def interrupting():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        thread.call(interrupting)
    assert thread.call(lambda: 3) == 3


def test_who_waits_for_a_job_that_runs_on_is_refused_at_the_close(served):
    thread, _ = served
    begun, ended = threading.Event(), threading.Event()

    def running_on():
        begun.set()
        assert ended.wait(30.0)

    future = thread.submit(running_on)
    assert begun.wait(30.0)
    thread.close()
    with pytest.raises(WorkerLostError, match="stopping"):
        future.result(30.0)
    ended.set()
