"""AMC's limit the way Celery's own option has it: a task for each instance, `rate_limit="10/s"`.

Run by .venv-bench. Only the call is made, no row is written. A 429 is counted by AMC and not
tried again. `python -m benchmarks.rivals.celery_budget <n>` puts n calls for each instance into
the queue, the instances in turn.
"""

import json
import os
import sys

import urllib3
from celery import Celery
from kombu import Queue

app = Celery("budget", broker=os.environ["AMQP_URL"])
app.conf.update(
    task_queues=[Queue("rival.budget", queue_arguments={"x-queue-type": "quorum"})],
    task_default_queue="rival.budget",
    task_default_queue_type="quorum",
    worker_detect_quorum_queues=True,
    task_acks_late=True,
    task_ignore_result=True,
    # A worker holds back what is over the rate, and needs others in hand meanwhile.
    worker_prefetch_multiplier=50,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
)

_http = urllib3.PoolManager(maxsize=4)
with open(os.environ["RIVAL_TASK"]) as file:
    _task = json.load(file)
_BODY = json.dumps({"workflowId": "bench", "timeWindowType": "MOST_RECENT_WEEK"}).encode()


def _caller(instance, headers):
    url = f"{_task['url']}/amc/reporting/{instance}/workflowExecutions"
    headers = {**headers, "Content-Type": "application/json"}

    @app.task(name=f"call.{instance}", rate_limit="10/s")
    def call():
        _http.request("POST", url, body=_BODY, headers=headers, retries=False)

    return call


calls = [_caller(instance, headers) for instance, (_, headers) in _task["work"].items()]

if __name__ == "__main__":
    with app.producer_pool.acquire(block=True) as producer:
        for _ in range(int(sys.argv[1])):
            for call in calls:
                call.apply_async(producer=producer)
