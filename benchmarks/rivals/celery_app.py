"""The submitter's work as a Celery task: two row updates around one HTTP call.

Run by .venv-bench; durable as ours is: quorum queue, late acknowledgement, confirmed publish,
one commit for each update. The connection pool, the prepared statements and the kept-alive HTTP
connection are what a careful author would write.
"""

import json
import os

import psycopg
import urllib3
from celery import Celery
from kombu import Queue

app = Celery("rival", broker=os.environ["AMQP_URL"])
app.conf.update(
    task_queues=[Queue("rival.submit", queue_arguments={"x-queue-type": "quorum"})],
    task_default_queue="rival.submit",
    task_default_queue_type="quorum",
    worker_detect_quorum_queues=True,
    broker_transport_options={"confirm_publish": True},
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=int(os.environ.get("RIVAL_PREFETCH", "8")),
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
)

_connection = None
_http = urllib3.PoolManager(maxsize=4)


def database():
    global _connection
    if _connection is None or _connection.closed:
        _connection = psycopg.connect(
            os.environ["DATABASE_URL"], autocommit=True, prepare_threshold=1
        )
    return _connection


def call(method, path, body=None):
    return _http.request(
        method,
        os.environ["STUB_URL"] + path,
        body=body,
        headers={
            "Authorization": "Bearer Atza|bench",
            "Amazon-Advertising-API-ClientId": "bench",
            "Content-Type": "application/json",
        },
    )


@app.task(name="submit")
def submit(number):
    connection = database()
    row = connection.execute(
        "update rival_executions set state = 'submitting', claimed_at = clock_timestamp()"
        " where id = %s and state = 'queued' returning amc_instance_id, body",
        (number,),
    ).fetchone()
    if row is None:
        return
    path = f"/amc/reporting/{row[0]}/workflowExecutions"
    answer = call("POST", path, json.dumps(row[1]).encode())
    connection.execute(
        "update rival_executions set state = 'pending', amc_execution_id = %s,"
        " submitted_at = clock_timestamp() where id = %s and state = 'submitting'",
        (json.loads(answer.data)["workflowExecutionId"], number),
    )


@app.task(name="whole")
def whole(number):
    """Submit, then leave the rest to a second task."""
    submit(number)
    finish.delay(number)


@app.task(name="finish")
def finish(number):
    """One look at AMC, one download, the rows by COPY."""
    connection = database()
    row = connection.execute(
        "select amc_instance_id, amc_execution_id from rival_executions"
        " where id = %s and state = 'pending'",
        (number,),
    ).fetchone()
    if row is None:
        return
    path = f"/amc/reporting/{row[0]}/workflowExecutions/{row[1]}"
    call("GET", path)
    call("GET", f"{path}/downloadUrls")
    result = call("GET", "/result.csv").data
    with connection.transaction(), connection.cursor() as cursor:
        with cursor.copy(
            "copy rival_results (campaign, impressions) from stdin (format csv, header)"
        ) as copy:
            copy.write(result)
        cursor.execute(
            "update rival_executions set state = 'completed' where id = %s and state = 'pending'",
            (number,),
        )
