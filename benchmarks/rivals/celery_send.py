"""Puts the numbers 1 to n into the queue of `celery_app`: `python -m ... <n> [whole]`."""

import sys

from benchmarks.rivals.celery_app import app, submit, whole

task = whole if sys.argv[2:] == ["whole"] else submit
with app.producer_pool.acquire(block=True) as producer:
    for number in range(1, int(sys.argv[1]) + 1):
        task.apply_async((number,), producer=producer)
