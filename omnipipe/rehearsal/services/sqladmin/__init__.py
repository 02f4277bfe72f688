"""Cloud SQL. https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1beta4"""

from omnipipe.rehearsal.services.sqladmin import actions, databases, instances
from omnipipe.rehearsal.services.sqladmin.rules import service

__all__ = ["actions", "databases", "instances", "service"]
