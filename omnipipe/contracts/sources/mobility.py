"""The operational database of the mobility service: customers and trips, every change of them."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from omnipipe.contracts.datastream import METADATA_DESCRIPTION, DatastreamMetadata
from omnipipe.contracts.schema import Sensitivity, Table, column
from omnipipe.contracts.source import Source


@dataclass(frozen=True, kw_only=True)
class Customer:
    """A row of ``public.customers``, as Datastream writes it."""

    customer_id: int | None = column("Primary key.")
    full_name: str | None = column("First and last name.", pii=Sensitivity.HIGH)
    email: str | None = column("E-mail address.", pii=Sensitivity.HIGH)
    phone: str | None = column("Phone number, E.164.", pii=Sensitivity.HIGH)
    city: str | None = column("Home city.")
    marketing_opt_in: bool | None = column("Agreed to marketing messages.")
    created_at: datetime | None = column("When the account was made.")
    updated_at: datetime | None = column("When the row last changed at the source.")
    datastream_metadata: DatastreamMetadata | None = column(METADATA_DESCRIPTION)


@dataclass(frozen=True, kw_only=True)
class Trip:
    """A row of ``public.trips``, as Datastream writes it."""

    trip_id: int | None = column("Primary key.")
    customer_id: int | None = column("Who rode; refers to customers.")
    city: str | None = column("Where the trip took place.")
    vehicle_type: str | None = column("bike, scooter, moped or car.")
    status: str | None = column("requested, completed or cancelled.")
    requested_at: datetime | None = column("When the trip was asked for.")
    started_at: datetime | None = column("When it began; null if it never did.")
    ended_at: datetime | None = column("When it ended; null if it never did.")
    distance_km: Decimal | None = column("Length in kilometres; null if it never began.")
    fare: Decimal | None = column("Price paid, in euros; null if nothing was paid.")
    updated_at: datetime | None = column("When the row last changed at the source.")
    datastream_metadata: DatastreamMetadata | None = column(METADATA_DESCRIPTION)


PUBLIC_CUSTOMERS = Table(
    "raw", "public_customers", Customer, "public.customers, every change", cluster_by=("customer_id",)
)
PUBLIC_TRIPS = Table("raw", "public_trips", Trip, "public.trips, every change", cluster_by=("trip_id",))

MOBILITY = Source(
    name="mobility",
    title="Mobility",
    datasets={
        "raw": "What the sources delivered, append-only.",
        "staging": "Typed, the latest version of each key.",
        "prod": "Dimensions and facts, pseudonymised.",
    },
    tables=(PUBLIC_CUSTOMERS, PUBLIC_TRIPS),
    captured=True,
    fresh_within_h=24,
    when_late="A captured table has got no row for a day: business rests, or capture does not work.",
)
