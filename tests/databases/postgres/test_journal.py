"""
The tests that every journal passes, for L{aerostack.databases.postgres.journal}.
"""

from __future__ import annotations

from tests.databases.contracts.changes import ChangeContract
from tests.databases.contracts.columns import ColumnContract
from tests.databases.contracts.mirrors import MirrorContract
from tests.databases.contracts.pastchanges import PastChangeContract
from tests.databases.contracts.readers import ReaderContract
from tests.databases.contracts.snapshots import SnapshotContract
from tests.databases.contracts.tables import TableContract
from tests.databases.postgres.case import PostgresCase


class ChangeContractTests(ChangeContract, PostgresCase):
    """
    See L{ChangeContract}.
    """


class ReaderContractTests(ReaderContract, PostgresCase):
    """
    See L{ReaderContract}.
    """


class PastContractTests(PastChangeContract, PostgresCase):
    """
    See L{PastChangeContract}.
    """


class SnapshotContractTests(SnapshotContract, PostgresCase):
    """
    See L{SnapshotContract}.
    """

    collation = '"C"'


class TableContractTests(TableContract, PostgresCase):
    """
    See L{TableContract}.
    """


class ColumnContractTests(ColumnContract, PostgresCase):
    """
    See L{ColumnContract}.
    """


class MirrorContractTests(MirrorContract, PostgresCase):
    """
    See L{MirrorContract}.
    """
