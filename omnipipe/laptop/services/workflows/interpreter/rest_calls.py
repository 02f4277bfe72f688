"""The REST call behind connectors that the interpreter does not have, to name it in an error.

These are the connectors that public workflows use most; each method and path is that of Google's API descriptions
(https://www.googleapis.com/discovery/v1/apis).
"""

REST_CALLS: dict[str, tuple[str, str]] = {
    "aiplatform.v1.projects.locations.customJobs.create": (
        "POST",
        "https://aiplatform.googleapis.com/v1/{parent}/customJobs",
    ),
    "aiplatform.v1.projects.locations.customJobs.delete": (
        "DELETE",
        "https://aiplatform.googleapis.com/v1/{name}",
    ),
    "aiplatform.v1.projects.locations.endpoints.generateContent": (
        "POST",
        "https://aiplatform.googleapis.com/v1/{model}:generateContent",
    ),
    "aiplatform.v1.projects.locations.endpoints.predict": (
        "POST",
        "https://aiplatform.googleapis.com/v1/{endpoint}:predict",
    ),
    "batch.v1.projects.locations.jobs.create": ("POST", "https://batch.googleapis.com/v1/{parent}/jobs"),
    "batch.v1.projects.locations.jobs.delete": ("DELETE", "https://batch.googleapis.com/v1/{name}"),
    "batch.v1.projects.locations.jobs.list": ("GET", "https://batch.googleapis.com/v1/{parent}/jobs"),
    "bigquerydatatransfer.v1.projects.locations.transferConfigs.create": (
        "POST",
        "https://bigquerydatatransfer.googleapis.com/v1/{parent}/transferConfigs",
    ),
    "bigquerydatatransfer.v1.projects.locations.transferConfigs.delete": (
        "DELETE",
        "https://bigquerydatatransfer.googleapis.com/v1/{name}",
    ),
    "bigquerydatatransfer.v1.projects.locations.transferConfigs.list": (
        "GET",
        "https://bigquerydatatransfer.googleapis.com/v1/{parent}/transferConfigs",
    ),
    "bigquerydatatransfer.v1.projects.locations.transferConfigs.startManualRuns": (
        "POST",
        "https://bigquerydatatransfer.googleapis.com/v1/{parent}:startManualRuns",
    ),
    "cloudbuild.v1.projects.builds.create": (
        "POST",
        "https://cloudbuild.googleapis.com/v1/projects/{projectId}/builds",
    ),
    "cloudfunctions.v1.projects.locations.functions.create": (
        "POST",
        "https://cloudfunctions.googleapis.com/v1/{location}/functions",
    ),
    "cloudfunctions.v1.projects.locations.functions.delete": (
        "DELETE",
        "https://cloudfunctions.googleapis.com/v1/{name}",
    ),
    "cloudfunctions.v1.projects.locations.functions.get": (
        "GET",
        "https://cloudfunctions.googleapis.com/v1/{name}",
    ),
    "cloudfunctions.v1.projects.locations.functions.setIamPolicy": (
        "POST",
        "https://cloudfunctions.googleapis.com/v1/{resource}:setIamPolicy",
    ),
    "cloudfunctions.v2.projects.locations.functions.get": (
        "GET",
        "https://cloudfunctions.googleapis.com/v2/{name}",
    ),
    "cloudresourcemanager.v3.projects.get": ("GET", "https://cloudresourcemanager.googleapis.com/v3/{name}"),
    "cloudscheduler.v1.projects.locations.jobs.create": (
        "POST",
        "https://cloudscheduler.googleapis.com/v1/{parent}/jobs",
    ),
    "cloudscheduler.v1.projects.locations.jobs.delete": (
        "DELETE",
        "https://cloudscheduler.googleapis.com/v1/{name}",
    ),
    "cloudtasks.v2.projects.locations.queues.create": (
        "POST",
        "https://cloudtasks.googleapis.com/v2/{parent}/queues",
    ),
    "cloudtasks.v2.projects.locations.queues.delete": ("DELETE", "https://cloudtasks.googleapis.com/v2/{name}"),
    "cloudtasks.v2.projects.locations.queues.tasks.create": (
        "POST",
        "https://cloudtasks.googleapis.com/v2/{parent}/tasks",
    ),
    "cloudtasks.v2.projects.locations.queues.tasks.delete": (
        "DELETE",
        "https://cloudtasks.googleapis.com/v2/{name}",
    ),
    "cloudtasks.v2.projects.locations.queues.tasks.get": ("GET", "https://cloudtasks.googleapis.com/v2/{name}"),
    "compute.v1.instances.delete": (
        "DELETE",
        "https://compute.googleapis.com/compute/v1/projects/{project}/zones/{zone}/instances/{instance}",
    ),
    "compute.v1.instances.get": (
        "GET",
        "https://compute.googleapis.com/compute/v1/projects/{project}/zones/{zone}/instances/{instance}",
    ),
    "compute.v1.instances.insert": (
        "POST",
        "https://compute.googleapis.com/compute/v1/projects/{project}/zones/{zone}/instances",
    ),
    "compute.v1.instances.start": (
        "POST",
        "https://compute.googleapis.com/compute/v1/projects/{project}/zones/{zone}/instances/{instance}/start",
    ),
    "compute.v1.instances.stop": (
        "POST",
        "https://compute.googleapis.com/compute/v1/projects/{project}/zones/{zone}/instances/{instance}/stop",
    ),
    "container.v1.projects.locations.clusters.create": (
        "POST",
        "https://container.googleapis.com/v1/{parent}/clusters",
    ),
    "container.v1.projects.locations.clusters.get": ("GET", "https://container.googleapis.com/v1/{name}"),
    "container.v1.projects.zones.clusters.create": (
        "POST",
        "https://container.googleapis.com/v1/projects/{projectId}/zones/{zone}/clusters",
    ),
    "container.v1.projects.zones.clusters.delete": (
        "DELETE",
        "https://container.googleapis.com/v1/projects/{projectId}/zones/{zone}/clusters/{clusterId}",
    ),
    "container.v1.projects.zones.clusters.get": (
        "GET",
        "https://container.googleapis.com/v1/projects/{projectId}/zones/{zone}/clusters/{clusterId}",
    ),
    "dataflow.v1b3.projects.locations.templates.create": (
        "POST",
        "https://dataflow.googleapis.com/v1b3/projects/{projectId}/locations/{location}/templates",
    ),
    "documentai.v1.projects.locations.processors.batchProcess": (
        "POST",
        "https://documentai.googleapis.com/v1/{name}:batchProcess",
    ),
    "documentai.v1.projects.locations.processors.create": (
        "POST",
        "https://documentai.googleapis.com/v1/{parent}/processors",
    ),
    "documentai.v1.projects.locations.processors.delete": (
        "DELETE",
        "https://documentai.googleapis.com/v1/{name}",
    ),
    "documentai.v1.projects.locations.processors.get": ("GET", "https://documentai.googleapis.com/v1/{name}"),
    "documentai.v1.projects.locations.processors.process": (
        "POST",
        "https://documentai.googleapis.com/v1/{name}:process",
    ),
    "firestore.v1.projects.databases.documents.createDocument": (
        "POST",
        "https://firestore.googleapis.com/v1/{parent}/{collectionId}",
    ),
    "firestore.v1.projects.databases.documents.delete": ("DELETE", "https://firestore.googleapis.com/v1/{name}"),
    "firestore.v1.projects.databases.documents.get": ("GET", "https://firestore.googleapis.com/v1/{name}"),
    "firestore.v1.projects.databases.documents.patch": ("PATCH", "https://firestore.googleapis.com/v1/{name}"),
    "firestore.v1.projects.databases.exportDocuments": (
        "POST",
        "https://firestore.googleapis.com/v1/{name}:exportDocuments",
    ),
    "forms.v1.forms.batchUpdate": ("POST", "https://forms.googleapis.com/v1/forms/{formId}:batchUpdate"),
    "forms.v1.forms.create": ("POST", "https://forms.googleapis.com/v1/forms"),
    "forms.v1.forms.get": ("GET", "https://forms.googleapis.com/v1/forms/{formId}"),
    "forms.v1.forms.responses.list": ("GET", "https://forms.googleapis.com/v1/forms/{formId}/responses"),
    "integrations.v1.projects.locations.integrations.list": (
        "GET",
        "https://integrations.googleapis.com/v1/{parent}/integrations",
    ),
    "language.v1.documents.analyzeEntities": (
        "POST",
        "https://language.googleapis.com/v1/documents:analyzeEntities",
    ),
    "language.v1.documents.analyzeSentiment": (
        "POST",
        "https://language.googleapis.com/v1/documents:analyzeSentiment",
    ),
    "ml.v1.projects.jobs.list": ("GET", "https://ml.googleapis.com/v1/{parent}/jobs"),
    "ml.v1.projects.locations.list": ("GET", "https://ml.googleapis.com/v1/{parent}/locations"),
    "pubsub.v1.projects.subscriptions.create": ("PUT", "https://pubsub.googleapis.com/v1/{name}"),
    "pubsub.v1.projects.subscriptions.delete": ("DELETE", "https://pubsub.googleapis.com/v1/{subscription}"),
    "pubsub.v1.projects.subscriptions.pull": ("POST", "https://pubsub.googleapis.com/v1/{subscription}:pull"),
    "pubsub.v1.projects.topics.create": ("PUT", "https://pubsub.googleapis.com/v1/{name}"),
    "pubsub.v1.projects.topics.delete": ("DELETE", "https://pubsub.googleapis.com/v1/{topic}"),
    "run.v1.namespaces.jobs.create": (
        "POST",
        "https://run.googleapis.com/apis/run.googleapis.com/v1/{parent}/jobs",
    ),
    "run.v1.namespaces.jobs.delete": ("DELETE", "https://run.googleapis.com/apis/run.googleapis.com/v1/{name}"),
    "run.v1.namespaces.services.create": (
        "POST",
        "https://run.googleapis.com/apis/serving.knative.dev/v1/{parent}/services",
    ),
    "run.v1.namespaces.services.delete": (
        "DELETE",
        "https://run.googleapis.com/apis/serving.knative.dev/v1/{name}",
    ),
    "run.v1.namespaces.services.get": ("GET", "https://run.googleapis.com/apis/serving.knative.dev/v1/{name}"),
    "secretmanager.v1.projects.secrets.create": (
        "POST",
        "https://secretmanager.googleapis.com/v1/{parent}/secrets",
    ),
    "sheets.v4.spreadsheets.batchUpdate": (
        "POST",
        "https://sheets.googleapis.com/v4/spreadsheets/{spreadsheetId}:batchUpdate",
    ),
    "sheets.v4.spreadsheets.create": ("POST", "https://sheets.googleapis.com/v4/spreadsheets"),
    "sheets.v4.spreadsheets.get": ("GET", "https://sheets.googleapis.com/v4/spreadsheets/{spreadsheetId}"),
    "sheets.v4.spreadsheets.values.append": (
        "POST",
        "https://sheets.googleapis.com/v4/spreadsheets/{spreadsheetId}/values/{range}:append",
    ),
    "sheets.v4.spreadsheets.values.clear": (
        "POST",
        "https://sheets.googleapis.com/v4/spreadsheets/{spreadsheetId}/values/{range}:clear",
    ),
    "sheets.v4.spreadsheets.values.update": (
        "PUT",
        "https://sheets.googleapis.com/v4/spreadsheets/{spreadsheetId}/values/{range}",
    ),
    "spanner.v1.projects.instances.databases.sessions.commit": (
        "POST",
        "https://spanner.googleapis.com/v1/{session}:commit",
    ),
    "spanner.v1.projects.instances.databases.sessions.create": (
        "POST",
        "https://spanner.googleapis.com/v1/{database}/sessions",
    ),
    "spanner.v1.projects.instances.databases.sessions.delete": (
        "DELETE",
        "https://spanner.googleapis.com/v1/{name}",
    ),
    "sqladmin.v1beta4.databases.delete": (
        "DELETE",
        "https://sqladmin.googleapis.com/sql/v1beta4/projects/{project}/instances/{instance}/databases/{database}",
    ),
    "sqladmin.v1beta4.databases.get": (
        "GET",
        "https://sqladmin.googleapis.com/sql/v1beta4/projects/{project}/instances/{instance}/databases/{database}",
    ),
    "sqladmin.v1beta4.databases.insert": (
        "POST",
        "https://sqladmin.googleapis.com/sql/v1beta4/projects/{project}/instances/{instance}/databases",
    ),
    "sqladmin.v1beta4.instances.delete": (
        "DELETE",
        "https://sqladmin.googleapis.com/sql/v1beta4/projects/{project}/instances/{instance}",
    ),
    "sqladmin.v1beta4.instances.insert": (
        "POST",
        "https://sqladmin.googleapis.com/sql/v1beta4/projects/{project}/instances",
    ),
    "storage.v1.buckets.delete": ("DELETE", "https://storage.googleapis.com/storage/v1/b/{bucket}"),
    "storage.v1.buckets.get": ("GET", "https://storage.googleapis.com/storage/v1/b/{bucket}"),
    "storage.v1.buckets.insert": ("POST", "https://storage.googleapis.com/storage/v1/b"),
    "storagetransfer.v1.transferJobs.create": ("POST", "https://storagetransfer.googleapis.com/v1/transferJobs"),
    "storagetransfer.v1.transferJobs.patch": ("PATCH", "https://storagetransfer.googleapis.com/v1/{jobName}"),
    "storagetransfer.v1.transferJobs.run": ("POST", "https://storagetransfer.googleapis.com/v1/{jobName}:run"),
    "transcoder.v1.projects.locations.jobs.list": ("GET", "https://transcoder.googleapis.com/v1/{parent}/jobs"),
    "translate.v2.languages.list": ("GET", "https://translation.googleapis.com/language/translate/v2/languages"),
    "translate.v2.translations.translate": ("POST", "https://translation.googleapis.com/language/translate/v2"),
    "translate.v3.projects.locations.glossaries.create": (
        "POST",
        "https://translation.googleapis.com/v3/{parent}/glossaries",
    ),
    "translate.v3.projects.locations.glossaries.delete": (
        "DELETE",
        "https://translation.googleapis.com/v3/{name}",
    ),
    "translate.v3.projects.locations.glossaries.list": (
        "GET",
        "https://translation.googleapis.com/v3/{parent}/glossaries",
    ),
    "translate.v3beta1.projects.locations.batchTranslateText": (
        "POST",
        "https://translation.googleapis.com/v3beta1/{parent}:batchTranslateText",
    ),
    "workflows.v1.projects.locations.workflows.create": (
        "POST",
        "https://workflows.googleapis.com/v1/{parent}/workflows",
    ),
    "workflows.v1.projects.locations.workflows.delete": ("DELETE", "https://workflows.googleapis.com/v1/{name}"),
    "workflows.v1.projects.locations.workflows.get": ("GET", "https://workflows.googleapis.com/v1/{name}"),
}
