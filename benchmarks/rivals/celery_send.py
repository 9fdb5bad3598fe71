"""Puts the numbers 1 to n into the queue of `celery_app`: `python -m ... <n>`."""

import sys

from benchmarks.rivals.celery_app import app, submit

with app.producer_pool.acquire(block=True) as producer:
    for number in range(1, int(sys.argv[1]) + 1):
        submit.apply_async((number,), producer=producer)
