"""Where the Google provider asks: each of its APIs has a variable that puts another address in Google's place.

An address keeps the path that Google's has, and ends with a slash. An API without a line here is asked at Google's own
host, which the way out refuses (``omnipipe.rehearsal.outside``): it is named, and not asked.
"""

# GOOGLE_…_CUSTOM_ENDPOINT -> the first label of the API's host, and the path below it. From `product.go` of each
# service in https://github.com/hashicorp/terraform-provider-google-beta, 7.45.
_PATHS = {
    "ACCESS_CONTEXT_MANAGER": "accesscontextmanager/v1/",
    "ARTIFACT_REGISTRY": "artifactregistry/v1/",
    "BIG_QUERY": "bigquery/bigquery/v2/",
    "BIGQUERY_CONNECTION": "bigqueryconnection/v1/",
    "BIGQUERY_DATAPOLICY": "bigquerydatapolicy/v1/",
    "BIGQUERY_DATAPOLICYV2": "bigquerydatapolicy/v2/",
    "BIGQUERY_DATA_TRANSFER": "bigquerydatatransfer/v1/",
    "BILLING_BUDGETS": "billingbudgets/v1/",
    "CLOUD_BILLING": "cloudbilling/v1/",
    "CLOUD_FUNCTIONS": "cloudfunctions/v1/",
    "CLOUDFUNCTIONS2": "cloudfunctions/v2beta/",
    "CLOUD_RUN_V2": "run/v2/",
    "CLOUD_SCHEDULER": "cloudscheduler/v1/",
    "COMPOSER": "composer/v1beta1/",
    "COMPUTE": "compute/compute/beta/",
    "DATA_CATALOG": "datacatalog/v1beta1/",
    "DATA_FUSION": "datafusion/v1beta1/",
    "DATA_LOSS_PREVENTION": "dlp/v2/",
    "DATAPLEX": "dataplex/v1/",
    "DATASTREAM": "datastream/v1/",
    "DNS": "dns/dns/v1beta2/",
    "EVENTARC": "eventarc/v1/",
    "IAM_BETA": "iam/v1/",
    "IAM_WORKFORCE_POOL": "iam/v1/",
    "KMS": "cloudkms/v1/",
    "LOGGING": "logging/v2/",
    "MONITORING": "monitoring/",
    "NETWORK_CONNECTIVITYV1": "networkconnectivity/v1/",
    "ORG_POLICY": "orgpolicy/v2/",
    "PUBSUB": "pubsub/v1/",
    "RESOURCE_MANAGER": "cloudresourcemanager/v1/",
    "RESOURCE_MANAGER_V3": "cloudresourcemanager/v3/",
    "SECRET_MANAGER": "secretmanager/v1/",
    "SERVICE_NETWORKING": "servicenetworking/v1/",
    "SERVICE_USAGE": "serviceusage/v1beta1/",
    "SQL": "sqladmin/sql/v1beta4/",
    "STORAGE": "storage/storage/v1/",
    "TAGS": "cloudresourcemanager/v3/",
    "VPC_ACCESS": "vpcaccess/v1beta1/",
    "WORKFLOWS": "workflows/v1/",
}


def endpoints(address: str) -> dict[str, str]:
    """The variables that lead the provider to a control plane; ``address`` is ``http://127.0.0.1:PORT``."""
    return {f"GOOGLE_{api}_CUSTOM_ENDPOINT": f"{address}/{path}" for api, path in _PATHS.items()}
