"""Processes that keep their parent waiting are killed."""

import multiprocessing
import time

from benchmark.engine.processes import Watchdog


def test_a_process_that_keeps_its_parent_waiting_is_killed_and_no_other():
    watchdog, context = Watchdog(0.2), multiprocessing.get_context("spawn")
    slow, quick = (context.Process(target=time.sleep, args=(60,)) for _ in range(2))
    slow.start()
    quick.start()
    with watchdog.kill_if_overdue(quick):
        pass
    with watchdog.kill_if_overdue(slow):
        slow.join(20)
    assert slow.exitcode == -9
    assert quick.is_alive()
    quick.kill()
    quick.join()
