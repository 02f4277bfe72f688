"""The column that Datastream adds, as it is loaded."""

import pyarrow as pa

from omnipipe.contracts.datastream import DatastreamMetadata
from omnipipe.laptop.services.datastream.table import metadata


def test_a_row_of_the_column_is_as_declared() -> None:
    column = metadata(pa.array(["u", "v"]), [1, 20], ["a", "b"], ["INSERT", "DELETE"])
    assert [DatastreamMetadata(**row) for row in column.to_pylist()] == [
        DatastreamMetadata(
            uuid="u",
            source_timestamp=1,
            change_sequence_number="a",
            change_type="INSERT",
            sort_keys=["1", "a"],
        ),
        DatastreamMetadata(
            uuid="v",
            source_timestamp=20,
            change_sequence_number="b",
            change_type="DELETE",
            sort_keys=["20", "b"],
        ),
    ]
    assert [field.name for field in column.type] == list(DatastreamMetadata.__annotations__)
    assert [str(field.type) for field in column.type][1] == "int64"
