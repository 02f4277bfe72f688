"""Who may read personal data in BigQuery: tags on columns, readers of the tags, and a mask for the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_gcp as gcp

from components.checks import is_bigquery_location, is_member, require
from components.place import Place
from components.workload import Workload
from omnipipe.contracts.schema import Sensitivity

# What a masked reader sees. Both fit every column type; a hash would not do, because a bare hash of an e-mail
# address or a birthday is guessed in minutes.
# https://cloud.google.com/bigquery/docs/column-data-masking-intro#masking_options
MASKS = {
    Sensitivity.HIGH: "ALWAYS_NULL",  # not even whether there is a value
    Sensitivity.MEDIUM: "DEFAULT_MASKING_VALUE",  # whether there is a value: "" or 0 instead of it
}
DESCRIPTIONS = {
    Sensitivity.HIGH: "Identifies a person on its own.",
    Sensitivity.MEDIUM: "Identifies a person together with other columns.",
}


@dataclass(frozen=True, kw_only=True)
class PiiPolicyArgs:
    """What a ``PiiPolicy`` needs.

    ``physical_name`` is what Google shows of the taxonomy, and what the ids of masks and role begin with;
    ``location`` is that of the datasets whose columns are tagged. ``readers`` see the clear values of a level,
    ``masked_readers`` the masked ones; both are members such as ``group:support@example.com``, and both need a
    grant on the dataset or table as well. ``protect`` keeps the tags: a column whose tag is gone cannot be read.
    ``provider`` makes tags, masks and who reads them: see ``quota_provider``.

    Raises ValueError with all problems at once.
    """

    place: Place
    physical_name: str
    provider: gcp.Provider
    location: str
    protect: bool
    readers: Mapping[Sensitivity, Sequence[str]] = field(default_factory=dict)
    masked_readers: Mapping[Sensitivity, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        people = [
            (argument, level, member)
            for argument, readers in (("readers", self.readers), ("masked_readers", self.masked_readers))
            for level, members in readers.items()
            for member in members
        ]
        require(
            (
                is_bigquery_location(self.location),
                f"location is {self.location!r}: give EU, US, or a region such as europe-west1",
            ),
            *(
                (
                    is_member(member),
                    f"{argument} has {member!r}: write one such as group:support@example.com",
                )
                for argument, _, member in people
            ),
            *(
                (
                    ("readers", level, member) not in people,
                    f"{member!r} is a reader and a masked reader of {level.value}: choose one",
                )
                for argument, level, member in people
                if argument == "masked_readers"
            ),
        )


class PiiPolicy(pulumi.ComponentResource):
    """A taxonomy with one policy tag for each ``Sensitivity``, enforced, and a mask for each tag.

    Creates the taxonomy, the tags, a data masking policy a tag, and a custom role of the two permissions that
    putting a tag on a column takes (the predefined role that has them, ``roles/bigquery.dataOwner``, could also
    change who may read the dataset). Nobody reads a tagged column without a grant on its tag, owners included.

    Grants ``roles/datacatalog.categoryFineGrainedReader`` on a tag to readers and
    ``roles/bigquerydatapolicy.maskedReader`` on a tag's data policy to masked readers.

    Exposes ``tag_ids`` by sensitivity (``projects/…/locations/…/taxonomies/…/policyTags/…``, what a column's schema
    takes); ``grant_reader`` and ``grant_tagger`` for the workloads of the program.

    Example::

        from components.pii_policy import PiiPolicy, PiiPolicyArgs
        from components.place import Place
        from components.quota_provider import quota_provider
        from components.workload import Workload, WorkloadArgs
        from omnipipe.contracts.schema import Sensitivity

        place = Place("my-project", "europe-west1")
        policy = PiiPolicy(
            "pii",
            PiiPolicyArgs(
                place=place,
                physical_name="pii",
                provider=quota_provider("quota", place),
                location="EU",
                protect=True,
                readers={Sensitivity.HIGH: ["group:support@example.com"]},
                masked_readers={Sensitivity.HIGH: ["group:analysts@example.com"]},
            ),
        )
        dbt = Workload("dbt", WorkloadArgs(place=place, physical_name="dbt-job", purpose="Job dbt"))
        policy.grant_reader(dbt, Sensitivity.HIGH)
        policy.grant_tagger(dbt)
        environment = {"POLICY_TAG_HIGH": policy.tag_ids[Sensitivity.HIGH]}
    """

    def __init__(self, name: str, args: PiiPolicyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("omnipipe:components:PiiPolicy", name, {}, opts)
        self._name, self._place, self._provider = name, args.place, args.provider
        child = pulumi.ResourceOptions(parent=self, provider=args.provider)
        protected = pulumi.ResourceOptions(parent=self, provider=args.provider, protect=args.protect)
        taxonomy = gcp.datacatalog.Taxonomy(
            f"{name}-taxonomy",
            project=args.place.project,
            region=args.location.lower(),
            display_name=args.physical_name,
            description="Personal data, by what it says about a person.",
            activated_policy_types=["FINE_GRAINED_ACCESS_CONTROL"],
            opts=protected,
        )
        self._tags = {
            level: gcp.datacatalog.PolicyTag(
                f"{name}-{level.value}",
                taxonomy=taxonomy.id,
                display_name=level.value,
                description=DESCRIPTIONS[level],
                opts=protected,
            )
            for level in Sensitivity
        }
        masks = {
            level: gcp.bigquerydatapolicy.DataPolicy(
                f"{name}-{level.value}-mask",
                project=args.place.project,
                location=args.location.lower(),
                # Google takes letters, digits and underscores; the provider takes hyphens too, and then fails.
                data_policy_id=f"{args.physical_name}_{level.value}".replace("-", "_"),
                data_policy_type="DATA_MASKING_POLICY",
                policy_tag=tag.id,
                data_masking_policy={"predefined_expression": MASKS[level]},
                opts=child,
            )
            for level, tag in self._tags.items()
        }
        for level, members in args.readers.items():
            for member in members:
                self._grant_reader(level, _slug(member), member)
        for level, members in args.masked_readers.items():
            for member in members:
                gcp.bigquerydatapolicy.DataPolicyIamMember(
                    f"{name}-{level.value}-masked-reader-{_slug(member)}",
                    project=args.place.project,
                    location=args.location.lower(),
                    data_policy_id=masks[level].data_policy_id,
                    role="roles/bigquerydatapolicy.maskedReader",
                    member=member,
                    opts=child,
                )
        self._tagger = gcp.projects.IAMCustomRole(
            f"{name}-tagger",
            project=args.place.project,
            role_id=tagger_role(args.physical_name),
            title=f"{args.physical_name}: put policy tags on columns",
            permissions=["bigquery.tables.setCategory", "datacatalog.taxonomies.get"],
            # The id of a deleted role cannot be used again for 37 days.
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )
        self.tag_ids: dict[Sensitivity, pulumi.Output[str]] = {level: tag.id for level, tag in self._tags.items()}
        self.register_outputs({"tag_ids": {level.value: tag for level, tag in self.tag_ids.items()}})

    def grant_reader(self, workload: Workload, level: Sensitivity) -> pulumi.Resource:
        """Let a workload read the clear values of a level."""
        return self._grant_reader(level, workload.physical_name, workload.member)

    def grant_tagger(self, workload: Workload) -> pulumi.Resource:
        """Let a workload put the tags on columns of tables that it may change: of those alone, in the whole project."""
        return gcp.projects.IAMMember(
            f"{self._name}-tagger-{workload.physical_name}",
            project=self._place.project,
            role=self._tagger.id,
            member=workload.member,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _grant_reader(self, level: Sensitivity, who: str, member: pulumi.Input[str]) -> pulumi.Resource:
        return gcp.datacatalog.PolicyTagIamMember(
            f"{self._name}-{level.value}-reader-{who}",
            policy_tag=self._tags[level].id,
            role="roles/datacatalog.categoryFineGrainedReader",
            member=member,
            opts=pulumi.ResourceOptions(parent=self, provider=self._provider),
        )


def tagger_role(physical_name: str) -> str:
    """The id of the custom role of a policy with this physical name; ``projects/PROJECT/roles/ID`` is its full name."""
    return f"{physical_name.replace('-', '_')}_tagger"


def _slug(member: str) -> str:
    """A member as part of a resource's name."""
    return "".join(letter if letter.isalnum() else "-" for letter in member.lower())
