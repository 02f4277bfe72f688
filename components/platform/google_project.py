"""What the platform takes of its Google project: the APIs that are called, and the roles of who deploys or previews."""

GITHUB = "github"  # what GitHub's identities in the project are called after

APIS = (
    "artifactregistry",
    "bigquery",
    "bigquerydatapolicy",
    "billingbudgets",
    "cloudbuild",
    "cloudfunctions",
    "cloudkms",
    "cloudresourcemanager",
    "cloudscheduler",
    "compute",
    "datacatalog",
    "datastream",
    "iam",
    "iamcredentials",
    "logging",
    "monitoring",
    "run",
    "secretmanager",
    # An endpoint of Private Service Connect is registered there:
    # https://cloud.google.com/vpc/docs/configure-private-service-connect-services#before-you-begin
    "servicedirectory",
    "sqladmin",
    "storage",
    "sts",
    "workflowexecutions",
    "workflows",
)

# What deploying the platform takes, all of it on the project: the program makes the resources, and their narrower
# grants, itself.
DEPLOYER_ROLES = (
    "roles/artifactregistry.admin",  # the repository, pushing images, the grants on it
    "roles/bigquery.dataOwner",  # datasets, tables, masks, and who may use them
    # To look up BigQuery's own account, for its key. Projects.getServiceAccount takes bigquery.jobs.create:
    # https://cloud.google.com/bigquery/docs/reference/rest/v2/projects/getServiceAccount
    "roles/bigquery.jobUser",
    "roles/cloudfunctions.developer",
    "roles/cloudkms.admin",  # keys and who may use them; not to encrypt or decrypt
    "roles/cloudscheduler.admin",
    "roles/cloudsql.admin",
    "roles/compute.networkAdmin",
    "roles/datacatalog.categoryAdmin",  # policy tags and their readers
    "roles/datastream.admin",
    "roles/iam.roleViewer",  # an owner makes custom roles: who could change one could grant itself anything
    # An owner makes accounts, and says whom the deployer runs things as: who could grant on any account, or run
    # something as any, would have the rights of all of them, and of Google's default ones, which may be Editors.
    "roles/iam.serviceAccountViewer",
    "roles/iam.workloadIdentityPoolViewer",  # an owner decides who deploys
    "roles/logging.configWriter",  # log-based metrics
    "roles/monitoring.editor",  # alerts, channels, dashboards
    "roles/run.admin",  # jobs, and who may call the services and run the jobs
    "roles/secretmanager.admin",
    "roles/serviceusage.serviceUsageAdmin",  # enabling APIs, and having requests counted for the project
    "roles/storage.admin",
    "roles/workflows.editor",
)

# What a preview of a pull request takes on the project. It compares the program with the state and asks Google for next
# to nothing, and more is not for code that nobody has read yet.
PREVIEW_ROLES = (
    "roles/browser",  # looking up the project's number, and Cloud Storage's own account
)
# With keys of one's own it looks up BigQuery's account, too (see DEPLOYER_ROLES): jobs, which may read nothing here.
PREVIEW_ROLES_FOR_KEYS = ("roles/bigquery.jobUser",)
