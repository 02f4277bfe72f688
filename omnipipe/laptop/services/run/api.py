"""Cloud Run's API on this machine, in both of its versions."""

from omnipipe.laptop.api import Api, Control
from omnipipe.laptop.services.run import jobs, jobs_v1


def serve(control: Control) -> Api:
    """Answer for Cloud Run's API; executions end with the process."""
    running = jobs.Jobs(control.cloud)
    blueprints = (jobs.blueprint(running, control.cloud), jobs_v1.blueprint(running, control.cloud))
    return Api(blueprints, close=running.close)
