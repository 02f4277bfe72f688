"""Role -> permissions: those permissions of a role that a request to the laptop checks. True for Google, not complete.

Sources: https://cloud.google.com/iam/docs/roles-permissions/SERVICE, for the service before the role's dot, compared
with the definitions that Google's API gave on 2026-08-22. A role that is missing here stops `up` by its name.
"""

from omnipipe.laptop.errors import LaptopError

_READ_METADATA = frozenset(
    {
        "bigquery.datasets.get",
        "bigquery.models.getMetadata",
        "bigquery.models.list",
        "bigquery.routines.get",
        "bigquery.routines.list",
        "bigquery.tables.get",
        "bigquery.tables.list",
    }
)
_READ_DATA = _READ_METADATA | {"bigquery.tables.export", "bigquery.tables.getData"}
_WRITE_DATA = _READ_DATA | {
    "bigquery.datasets.create",
    "bigquery.models.delete",
    "bigquery.models.updateMetadata",
    "bigquery.routines.create",
    "bigquery.routines.delete",
    "bigquery.routines.update",
    "bigquery.tables.create",
    "bigquery.tables.delete",
    "bigquery.tables.update",
    "bigquery.tables.updateData",
}
# A tag on a column is the one thing that an editor of a table may not set.
_OWN_DATA = _WRITE_DATA | {"bigquery.datasets.delete", "bigquery.datasets.update", "bigquery.tables.setCategory"}
_BIGQUERY_JOBS = frozenset(
    {
        "bigquery.jobs.create",
        "bigquery.jobs.delete",
        "bigquery.jobs.get",
        "bigquery.jobs.list",
        "bigquery.jobs.listAll",
        "bigquery.jobs.update",
    }
)
_RUN_JOB = frozenset({"run.jobs.run"})
_RUN_JOB_WITH_OVERRIDES = _RUN_JOB | {"run.jobs.runWithOverrides"}
_LOOK_AT_RUN = frozenset({"run.executions.get", "run.jobs.get", "run.jobs.list", "run.operations.get"})
_RUN = _RUN_JOB_WITH_OVERRIDES | _LOOK_AT_RUN | {"run.routes.invoke"}
_READ_EXECUTIONS = frozenset({"workflows.executions.get"})
_RUN_EXECUTIONS = _READ_EXECUTIONS | {
    "workflows.callbacks.send",
    "workflows.executions.cancel",
    "workflows.executions.create",
}
_READ_OBJECTS = frozenset({"storage.objects.get", "storage.objects.list"})
_CREATE_OBJECTS = frozenset({"storage.objects.create"})
_LOOK_AT_BUCKETS = frozenset({"storage.buckets.get"})
_WRITE_OBJECTS = _READ_OBJECTS | _CREATE_OBJECTS | {"storage.objects.delete", "storage.objects.update"}
_PUBLISH = frozenset({"pubsub.topics.publish"})
_SUBSCRIBE = frozenset(
    {"pubsub.snapshots.seek", "pubsub.subscriptions.consume", "pubsub.topics.attachSubscription"}
)
_LOOK_AT_PUBSUB = frozenset(
    {
        "pubsub.schemas.get",
        "pubsub.schemas.list",
        "pubsub.schemas.listRevisions",
        "pubsub.schemas.validate",
        "pubsub.snapshots.get",
        "pubsub.snapshots.list",
        "pubsub.subscriptions.get",
        "pubsub.subscriptions.list",
        "pubsub.topics.get",
        "pubsub.topics.list",
    }
)
_EDIT_PUBSUB = (
    _PUBLISH
    | _SUBSCRIBE
    | _LOOK_AT_PUBSUB
    | {
        "pubsub.schemas.attach",
        "pubsub.schemas.commit",
        "pubsub.schemas.create",
        "pubsub.schemas.delete",
        "pubsub.schemas.rollback",
        "pubsub.snapshots.create",
        "pubsub.snapshots.delete",
        "pubsub.snapshots.update",
        "pubsub.subscriptions.create",
        "pubsub.subscriptions.delete",
        "pubsub.subscriptions.update",
        "pubsub.topics.create",
        "pubsub.topics.delete",
        "pubsub.topics.detachSubscription",
        "pubsub.topics.update",
    }
)
_PUSH_IMAGES = frozenset({"artifactregistry.repositories.uploadArtifacts"})
_WRITE_LOGS = frozenset({"logging.logEntries.create"})
_READ_SECRETS = frozenset({"secretmanager.versions.access"})
_ADD_SECRETS = frozenset({"secretmanager.versions.add"})
_LOG_INTO_DATABASE = frozenset({"cloudsql.instances.login"})
_CONNECT_TO_DATABASE = frozenset({"cloudsql.instances.connect"})
_READ_TAGGED = frozenset({"datacatalog.categories.fineGrainedGet"})
_READ_MASKED = frozenset({"bigquery.dataPolicies.maskedGet"})
# Roles for deploying, watching, encrypting and being somebody else: on the laptop the person at the keyboard deploys.
_NO_REQUEST_HERE = frozenset[str]()
_LOOK_AT_STREAMS = frozenset({"datastream.objects.list"})
_READ_TAXONOMIES = frozenset({"datacatalog.taxonomies.get"})

ROLES: dict[str, frozenset[str]] = {
    "roles/artifactregistry.admin": _PUSH_IMAGES,
    "roles/artifactregistry.reader": _NO_REQUEST_HERE,  # images are pulled by Cloud Run's own agent
    "roles/artifactregistry.writer": _PUSH_IMAGES,
    "roles/bigquery.admin": _OWN_DATA | _BIGQUERY_JOBS,
    "roles/bigquery.dataEditor": _WRITE_DATA,
    "roles/bigquery.dataOwner": _OWN_DATA,
    "roles/bigquery.dataViewer": _READ_DATA,
    "roles/bigquery.jobUser": frozenset({"bigquery.jobs.create"}),
    "roles/bigquery.metadataViewer": _READ_METADATA,
    "roles/bigquery.user": frozenset(
        {
            "bigquery.datasets.create",
            "bigquery.datasets.get",
            "bigquery.jobs.create",
            "bigquery.jobs.list",
            "bigquery.models.list",
            "bigquery.routines.list",
            "bigquery.tables.list",
        }
    ),
    "roles/bigquerydatapolicy.admin": _NO_REQUEST_HERE,
    "roles/bigquerydatapolicy.maskedReader": _READ_MASKED,
    "roles/billing.costsManager": _NO_REQUEST_HERE,
    "roles/browser": _NO_REQUEST_HERE,
    "roles/cloudbuild.builds.builder": _PUSH_IMAGES | _WRITE_LOGS | _WRITE_OBJECTS,
    "roles/cloudbuild.builds.editor": _NO_REQUEST_HERE,
    "roles/cloudfunctions.admin": _RUN,
    "roles/cloudfunctions.developer": _RUN,
    "roles/cloudkms.admin": _NO_REQUEST_HERE,
    "roles/cloudkms.cryptoKeyEncrypterDecrypter": _NO_REQUEST_HERE,
    "roles/cloudscheduler.admin": _NO_REQUEST_HERE,
    "roles/cloudsql.admin": _CONNECT_TO_DATABASE | _LOG_INTO_DATABASE,
    "roles/cloudsql.client": _CONNECT_TO_DATABASE,
    "roles/cloudsql.instanceUser": _LOG_INTO_DATABASE,
    "roles/cloudsql.viewer": _NO_REQUEST_HERE,
    "roles/compute.networkAdmin": _NO_REQUEST_HERE,
    "roles/datacatalog.categoryAdmin": _READ_TAXONOMIES,
    "roles/datacatalog.categoryFineGrainedReader": _READ_TAGGED,
    "roles/datacatalog.viewer": _READ_TAXONOMIES,
    "roles/datastream.admin": _LOOK_AT_STREAMS,
    "roles/datastream.serviceAgent": frozenset(
        {
            "bigquery.datasets.create",
            "bigquery.datasets.get",
            "bigquery.jobs.create",
            "bigquery.jobs.delete",
            "bigquery.jobs.get",
            "bigquery.jobs.list",
            "bigquery.jobs.update",
            "bigquery.routines.get",
            "bigquery.routines.list",
            "bigquery.tables.create",
            "bigquery.tables.get",
            "bigquery.tables.getData",
            "bigquery.tables.list",
            "bigquery.tables.update",
            "bigquery.tables.updateData",
        }
    )
    | _WRITE_OBJECTS,
    "roles/datastream.viewer": _LOOK_AT_STREAMS,
    "roles/iam.roleViewer": _NO_REQUEST_HERE,
    "roles/iam.securityAdmin": _NO_REQUEST_HERE,
    "roles/iam.serviceAccountAdmin": _NO_REQUEST_HERE,
    "roles/iam.serviceAccountTokenCreator": _NO_REQUEST_HERE,
    "roles/iam.serviceAccountUser": _NO_REQUEST_HERE,
    "roles/iam.serviceAccountViewer": _NO_REQUEST_HERE,
    "roles/iam.workloadIdentityPoolAdmin": _NO_REQUEST_HERE,
    "roles/iam.workloadIdentityPoolViewer": _NO_REQUEST_HERE,
    "roles/iam.workloadIdentityUser": _NO_REQUEST_HERE,
    "roles/logging.configWriter": _NO_REQUEST_HERE,
    "roles/logging.logWriter": _WRITE_LOGS,
    "roles/logging.viewer": _NO_REQUEST_HERE,
    "roles/monitoring.admin": _NO_REQUEST_HERE,
    "roles/monitoring.editor": _NO_REQUEST_HERE,
    "roles/monitoring.metricWriter": _NO_REQUEST_HERE,
    "roles/monitoring.viewer": _NO_REQUEST_HERE,
    "roles/pubsub.admin": _EDIT_PUBSUB,
    "roles/pubsub.editor": _EDIT_PUBSUB,
    "roles/pubsub.publisher": _PUBLISH,
    "roles/pubsub.subscriber": _SUBSCRIBE,
    "roles/pubsub.viewer": _LOOK_AT_PUBSUB,
    "roles/resourcemanager.projectIamAdmin": _NO_REQUEST_HERE,
    "roles/run.admin": _RUN,
    "roles/run.developer": _RUN,
    "roles/run.invoker": _RUN_JOB | {"run.routes.invoke"},
    "roles/run.jobsExecutor": _RUN_JOB,
    "roles/run.jobsExecutorWithOverrides": _RUN_JOB_WITH_OVERRIDES,
    "roles/run.servicesInvoker": frozenset({"run.routes.invoke"}),
    "roles/run.viewer": _LOOK_AT_RUN,
    "roles/secretmanager.admin": _READ_SECRETS | _ADD_SECRETS,
    "roles/secretmanager.secretAccessor": _READ_SECRETS,
    "roles/secretmanager.secretVersionAdder": _ADD_SECRETS,
    "roles/secretmanager.secretVersionManager": _ADD_SECRETS,
    "roles/secretmanager.viewer": _NO_REQUEST_HERE,
    "roles/serviceusage.serviceUsageAdmin": _NO_REQUEST_HERE,
    "roles/storage.admin": _WRITE_OBJECTS | _LOOK_AT_BUCKETS,
    "roles/storage.legacyBucketReader": _LOOK_AT_BUCKETS | {"storage.objects.list"},
    "roles/storage.objectAdmin": _WRITE_OBJECTS,
    "roles/storage.objectCreator": _CREATE_OBJECTS,
    "roles/storage.objectUser": _WRITE_OBJECTS,
    "roles/storage.objectViewer": _READ_OBJECTS,
    "roles/workflows.admin": _RUN_EXECUTIONS,
    "roles/workflows.editor": _RUN_EXECUTIONS,
    "roles/workflows.invoker": _RUN_EXECUTIONS,
    "roles/workflows.viewer": _READ_EXECUTIONS,
}
# The person who deploys. Not to be granted: a workload that may do everything says nothing about what it needs.
OWNER = "roles/owner"


def permissions(role: str) -> frozenset[str]:
    """The permissions of a role, as far as a request here checks them.

    Raises LaptopError for a role that is not in the table.
    """
    if role in (OWNER, "roles/editor", "roles/viewer"):
        raise LaptopError(f"{role} is a basic role, which is too much for any workload: grant a predefined role")
    if role not in ROLES:
        raise LaptopError(
            f"the laptop cloud does not know {role!r}: if Google does, add its permissions to "
            "omnipipe/laptop/iam/roles.py"
        )
    return ROLES[role]
